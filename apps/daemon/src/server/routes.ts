import { patchOf, serverPut } from '@lxd-ts/api';
import { hashPassword } from '../certificates/trust.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { done, sync } from '../http/reply.ts';
import { type ApiRequest, json } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { ServerInfo } from './info.ts';
import type { Settings } from './settings.ts';

export const serverRoutes = (router: Router, info: ServerInfo, settings: Settings, events: Events): void => {
  /** Secrets are shown as `true`: sent back so, they stay as they are. */
  const restoreSecrets = (config: Readonly<Record<string, string>>): Record<string, string> => {
    const shown = info.shownConfig();
    const stored = settings.all();
    return Object.fromEntries(
      Object.entries(config).map(([key, value]) => [
        key,
        shown[key] === true && value === 'true' ? (stored[key] ?? value) : value,
      ]),
    );
  };

  /** The trust password is stored as a hash only. */
  const hashSecrets = async (config: Record<string, string>): Promise<Record<string, string>> => {
    const password = config['core.trust_password'];
    if (!password || password === settings.all()['core.trust_password']) return config;
    return { ...config, 'core.trust_password': await hashPassword(password) };
  };

  const write = async (request: ApiRequest, config: Record<string, string>) => {
    checkIfMatch(request.ifMatch, info.shownConfig());
    await settings.replace(await hashSecrets(restoreSecrets(config)));
    events.lifecycle('config-updated', '/1.0', 'default');
    return done();
  };

  router.on('GET', '/', () => sync(['/1.0']), 'public');
  router.on(
    'GET',
    '/1.0',
    async (request) => sync(await info.render(request.identity, request.project), info.shownConfig()),
    'public',
  );
  router.on('PUT', '/1.0', async (request) => write(request, (await json(request, serverPut)).config), 'admin');
  router.on(
    'PATCH',
    '/1.0',
    async (request) => {
      const { config } = await json(request, patchOf(serverPut));
      return write(request, { ...settings.all(), ...config });
    },
    'admin',
  );
};

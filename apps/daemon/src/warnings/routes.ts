import { patchOf, warningPut, warningUrl } from '@lxd-ts/api';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { filterFrom } from '../http/filter.ts';
import { done, type Reply, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { type Warning, type WarningStore, warningTypes } from './store.ts';

const typeWords: Readonly<Record<number, string>> = warningTypes;

const render = (warning: Warning) => ({
  status: warning.status,
  uuid: warning.uuid,
  location: 'none',
  project: '',
  type: typeWords[warning.code] ?? '',
  count: warning.count,
  first_seen_at: warning.firstSeen.toISOString(),
  last_seen_at: warning.lastSeen.toISOString(),
  last_message: warning.lastMessage,
  severity: warning.severity,
  entity_url: '',
});

const editable = ({ status }: Warning) => ({ status });

export const warningRoutes = (router: Router, warnings: WarningStore, events: Events): void => {
  const setStatus = async (request: ApiRequest, status: string | undefined): Promise<Reply> => {
    const warning = await warnings.get(param(request, 'uuid'));
    checkIfMatch(request.ifMatch, editable(warning));
    if (status === 'new' || status === 'acknowledged') {
      await warnings.setStatus(warning.uuid, status);
      events.lifecycle(status === 'new' ? 'warning-reset' : 'warning-acknowledged', warningUrl(warning.uuid));
    }
    return done();
  };

  router.on(
    'GET',
    '/1.0/warnings',
    async (request) => {
      const matches = filterFrom(request);
      const all = (await warnings.list()).map(render).filter((one) => !matches || matches(one));
      return sync(recursionOf(request) > 0 ? all : all.map(({ uuid }) => warningUrl(uuid)));
    },
    'admin',
  );
  router.on(
    'GET',
    '/1.0/warnings/:uuid',
    async (request) => {
      const warning = await warnings.get(param(request, 'uuid'));
      return sync(render(warning), editable(warning));
    },
    'admin',
  );
  router.on(
    'PUT',
    '/1.0/warnings/:uuid',
    async (request) => setStatus(request, (await json(request, warningPut)).status),
    'admin',
  );
  router.on(
    'PATCH',
    '/1.0/warnings/:uuid',
    async (request) => setStatus(request, (await json(request, patchOf(warningPut))).status),
    'admin',
  );
  router.on(
    'DELETE',
    '/1.0/warnings/:uuid',
    async (request) => {
      const warning = await warnings.get(param(request, 'uuid'));
      await warnings.delete(warning.uuid);
      events.lifecycle('warning-deleted', warningUrl(warning.uuid));
      return done();
    },
    'admin',
  );
};

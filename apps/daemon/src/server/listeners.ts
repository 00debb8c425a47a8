import { networkInterfaces } from 'node:os';
import { badRequest, type Config } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Router } from '../http/router.ts';
import { type Listener, listenTls } from '../http/server.ts';
import type { KeyPair } from './certificate.ts';
import type { Settings } from './settings.ts';

/** The port of the API when `core.https_address` names none. */
const apiPort = 8443;

/**
 * Takes a listen address apart: `:8443`, `10.0.0.1`, `[::1]:8443`, `0.0.0.0:8443`. An empty host means all addresses.
 *
 * @param defaultPort - when it names none
 */
export const parseListenAddress = (address: string, defaultPort = apiPort): { host: string; port: number } => {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(address);
  if (!match) return { host: address, port: defaultPort };
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port > 65535) throw badRequest(`Invalid port in address "${address}"`);
  return { host: host === '' ? '::' : host, port };
};

const isWildcard = (host: string): boolean => host === '::' || host === '0.0.0.0';

const join = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

/** The addresses at which a listener on `host` can be reached from elsewhere. */
export const reachable = (host: string, port: number): string[] => {
  if (!isWildcard(host)) return [join(host, port)];
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => !one.internal && !one.address.startsWith('fe80:') && (host === '::' || one.family === 'IPv4'))
    .map((one) => join(one.address, port));
};

/** The HTTPS listener of the API, which follows `core.https_address`. */
export interface HttpsListener extends AsyncDisposable {
  /** Listens as the settings say. Called once at start. */
  open(): Promise<void>;
  /** Where it can be reached, `host:port`; empty while it does not listen. */
  addresses(): readonly string[];
}

export const createHttpsListener = (
  router: Router,
  settings: Settings,
  certificate: KeyPair,
  log: Logger,
): HttpsListener => {
  let current: { listener: Listener; host: string; port: number } | undefined;

  const move = async (address: string | undefined): Promise<void> => {
    const before = current;
    current = undefined;
    // The old one goes first: the new address may be another spelling of the same.
    await before?.listener[Symbol.asyncDispose]();
    if (!address) return;
    const { host, port } = parseListenAddress(address);
    const tls = {
      cert: certificate.certificate,
      key: certificate.key,
      minVersion: process.env['LXD_INSECURE_TLS'] ? ('TLSv1.2' as const) : ('TLSv1.3' as const),
    };
    const listener = await listenTls(router, host, port, tls);
    current = { listener, host, port };
    log.info({ address: listener.address }, 'Listening for remote clients');
  };

  settings.onChange(['core.https_address'], (config: Config) => move(config['core.https_address']));

  return {
    async open() {
      try {
        await move(settings.get('core.https_address'));
      } catch (error) {
        // The local socket must come up all the same: it is the way to repair the setting.
        log.error({ err: error }, 'Cannot listen for remote clients');
      }
    },
    addresses: () => (current ? reachable(current.host, current.port) : []),
    [Symbol.asyncDispose]: async () => current?.listener[Symbol.asyncDispose](),
  };
};

/** The S3 listener, which follows `core.storage_buckets_address`. */
import { hostname } from 'node:os';
import { conflict, messageOf } from '@lxd-ts/driver-kit';
import type { Access, S3Server } from '@lxd-ts/s3';
import type { Logger } from 'pino';
import type { KeyPair } from '../server/certificate.ts';
import { parseListenAddress, reachable } from '../server/listeners.ts';
import type { Settings } from '../server/settings.ts';

/** The port when the address names none. */
const defaultPort = 9000;

export interface BucketListener extends AsyncDisposable {
  /** Listens as the settings say. Called once at start. */
  open(): Promise<void>;
  /** Where S3 clients reach it: `https://host:port`; undefined while it does not listen. */
  url(): string | undefined;
}

interface Parts {
  readonly settings: Settings;
  readonly certificate: KeyPair;
  readonly access: Access;
  readonly log: Logger;
}

export const createBucketListener = ({ settings, certificate, access, log }: Parts): BucketListener => {
  let current: { server: S3Server; host: string } | undefined;

  const move = async (address: string | undefined): Promise<void> => {
    const before = current;
    current = undefined;
    // The old one goes first: the new address may be another spelling of the same.
    await before?.server[Symbol.asyncDispose]();
    if (!address) return;
    const { host, port } = parseListenAddress(address, defaultPort);
    // Loaded by those alone who have buckets.
    const { listenS3 } = await import('@lxd-ts/s3');
    try {
      const server = await listenS3({
        host,
        port,
        tls: {
          cert: certificate.certificate,
          key: certificate.key,
          minVersion: process.env['LXD_INSECURE_TLS'] ? 'TLSv1.2' : 'TLSv1.3',
        },
        access,
        domains: ['localhost', hostname(), host],
        onError: (error, request) => log.error({ err: error, request }, 'An S3 request failed'),
      });
      current = { server, host };
      log.info({ address: `${host}:${server.port}` }, 'Listening for S3 clients');
    } catch (error) {
      throw conflict(`Cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error });
    }
  };

  settings.onChange(['core.storage_buckets_address'], (config) => move(config['core.storage_buckets_address']));

  return {
    async open() {
      try {
        await move(settings.get('core.storage_buckets_address'));
      } catch (error) {
        // The API must come up all the same: it is the way to repair the setting.
        log.error({ err: error }, 'Cannot listen for S3 clients');
      }
    },
    url() {
      if (!current) return undefined;
      const [address] = reachable(current.host, current.server.port);
      return `https://${address ?? `localhost:${current.server.port}`}`;
    },
    [Symbol.asyncDispose]: async () => current?.server[Symbol.asyncDispose](),
  };
};

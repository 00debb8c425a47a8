import { imageAliasesEntry, image as imageSchema, parseBody } from '@lxd-ts/api';
import { ApiError, type Client, connect } from '@lxd-ts/client';
import { badRequest, LxdError, messageOf, notFound } from '@lxd-ts/driver-kit';
import { receiveImage } from './receive.ts';
import type { FindRemoteImage, RemoteSource } from './remote.ts';

/** A client of an LXD server whose images are public, or opened by a secret. */
export const imageServer = ({
  server,
  certificate,
  project,
}: Pick<RemoteSource, 'server' | 'certificate' | 'project'>): Client => {
  if (!/^https:\/\//.test(server))
    throw badRequest(`Invalid server "${server}": an LXD image server has an https:// URL`);
  return connect(
    { kind: 'https', url: server, ...(certificate ? { pinnedCertificate: certificate } : {}) },
    { project },
  );
};

const failed = (source: RemoteSource, error: unknown): LxdError => {
  if (error instanceof LxdError) return error;
  const what = `image "${source.alias || source.fingerprint}" of ${source.server}`;
  return error instanceof ApiError && error.status === 404
    ? notFound(`Failed getting ${what}: ${error.message}`, { cause: error })
    : badRequest(`Failed getting ${what}: ${messageOf(error)}`, { cause: error });
};

/** Finds an image on another LXD server. */
export const findOnLxd: FindRemoteImage = async (source, signal) => {
  const query = source.secret ? { secret: source.secret } : {};
  const client = imageServer(source);
  try {
    const fingerprint = source.alias
      ? parseBody(
          imageAliasesEntry,
          (await client.get<unknown>(['images', 'aliases', source.alias], {}, { signal })).value,
        ).target
      : source.fingerprint;
    const found = parseBody(imageSchema, (await client.get<unknown>(['images', fingerprint], query, { signal })).value);
    const expires = new Date(found.expires_at);
    return {
      fingerprint: found.fingerprint,
      type: found.type === 'virtual-machine' ? 'virtual-machine' : 'container',
      properties: found.properties,
      expiresAt: expires.getTime() > 0 ? expires : undefined,
      aliases: found.aliases,

      async download(directory, { signal: stop, progress }) {
        const downloader = imageServer(source);
        try {
          const path = downloader.path(['images', found.fingerprint, 'export'], query);
          const reply = await downloader.raw('GET', path, undefined, { signal: stop });
          if (reply.status !== 200) throw badRequest(`The server answered ${reply.status} to the export`);
          const total = found.size > 0 ? found.size : undefined;
          const files = await receiveImage(
            reply.body,
            reply.headers['content-type'] ?? '',
            directory,
            found.filename,
            (bytes) => progress?.('rootfs', bytes, total),
          );
          if (files.fingerprint !== found.fingerprint)
            throw badRequest(`fingerprints don't match, got ${files.fingerprint} expected ${found.fingerprint}`);
          return files;
        } catch (error) {
          stop?.throwIfAborted();
          throw failed(source, error);
        } finally {
          downloader.close();
        }
      },
    };
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(source, error);
  } finally {
    client.close();
  }
};

import { badRequest, type InstanceType } from '@lxd-ts/driver-kit';
import { receiveUnified } from './files.ts';
import type { Download, FindRemoteImage, RemoteSource } from './remote.ts';
import type { ImageRecord, ImageService } from './service.ts';
import type { Image, ImageStore } from './store.ts';
import type { Web } from './web.ts';

/** Brings images of other servers here. */
export interface ImageFetch {
  /** Looks an image up where it comes from. */
  readonly find: FindRemoteImage;
  /**
   * Gets an image of another server, unless it is here already.
   *
   * @param record - what the local image is to be; the remote's properties are kept below `record.properties`
   */
  fromServer(source: RemoteSource, record: Omit<ImageRecord, 'origin'>, options: FetchOptions): Promise<Image>;
  /** Gets an image for which a web server answers with `LXD-Image-Hash` and `LXD-Image-URL` (spec 04.98–102). */
  fromUrl(url: string, record: ImageRecord, download: Download): Promise<Image>;
}

export interface FetchOptions extends Download {
  /** An image got earlier from the same place by the same alias will do, without asking the server (spec 04.51). */
  readonly preferLocal?: boolean;
}

interface Parts {
  readonly images: ImageService;
  readonly store: ImageStore;
  readonly web: Web;
  readonly finders: Readonly<Record<RemoteSource['protocol'], FindRemoteImage>>;
  /** Sent to web servers: what this server runs, and its version. */
  readonly serverHeaders: Readonly<Record<'LXD-Server-Architectures' | 'LXD-Server-Version', string>>;
}

/** What a request's source says as a remote source. @throws LxdError bad-request */
export const remoteSourceOf = (
  source: {
    server: string;
    protocol: string;
    certificate: string;
    alias: string;
    fingerprint: string;
    secret: string;
    project: string;
  },
  type: InstanceType | '',
): RemoteSource => {
  const { protocol } = source;
  if (protocol !== '' && protocol !== 'lxd' && protocol !== 'simplestreams')
    throw badRequest(`Invalid source.protocol "${protocol}": use lxd or simplestreams`);
  if (source.alias === '' && source.fingerprint === '')
    throw badRequest('must specify one of alias or fingerprint for init from image');
  return { ...source, protocol: protocol === '' ? 'lxd' : protocol, type };
};

export const createImageFetch = ({ images, store, web, finders, serverHeaders }: Parts): ImageFetch => {
  const find: FindRemoteImage = (source, signal) => finders[source.protocol](source, signal);

  const earlier = async (
    project: string,
    { server, protocol, alias, type }: RemoteSource,
  ): Promise<Image | undefined> => {
    if (alias === '') return undefined;
    return (await images.list(project)).find(
      (image) =>
        image.origin?.server === server &&
        image.origin.protocol === protocol &&
        image.origin.alias === alias &&
        (type === '' || image.type === type),
    );
  };

  /** An image that is here already becomes what the request wants of it. */
  const adopt = async (image: Image, record: Omit<ImageRecord, 'origin'>): Promise<Image> => {
    if (image.cached && !record.cached)
      await images.update(image, { cached: false, autoUpdate: record.autoUpdate, public: record.public });
    for (const { name, description } of record.aliases) await store.insertAlias(image, name, description);
    return images.get(image.project, image.fingerprint);
  };

  return {
    find,

    async fromServer(source, record, { preferLocal = false, signal, progress }) {
      const known = preferLocal ? await earlier(record.project, source) : undefined;
      if (known) return known;
      // A whole fingerprint says enough to find the image here without asking anybody.
      const named =
        source.fingerprint.length === 64 ? await images.find(record.project, source.fingerprint) : undefined;
      if (named?.state === 'ready') return adopt(named, record);
      const remote = await find(source, signal);
      const existing = await images.find(record.project, remote.fingerprint);
      if (existing?.state === 'ready') return adopt(existing, record);
      const { server, protocol, certificate, alias } = source;
      const complete: ImageRecord = {
        ...record,
        expiresAt: record.expiresAt ?? remote.expiresAt,
        properties: { ...remote.properties, ...record.properties },
        autoUpdate: record.autoUpdate && alias !== '',
        origin: alias === '' ? undefined : { server, protocol, certificate, alias },
      };
      const shared = await images.share(remote.fingerprint, complete);
      if (shared) return shared;
      await using work = await images.workDirectory();
      return await images.add(await remote.download(work.path, { signal, progress }), complete);
    },

    async fromUrl(url, record, { signal, progress }) {
      const answer = await web.request(url, { method: 'HEAD', headers: serverHeaders, signal });
      answer.resume();
      const header = (name: string): string => {
        const value = answer.headers[name.toLowerCase()];
        if (typeof value !== 'string' || value === '')
          throw badRequest(`Missing ${name} header in the answer of ${url}`);
        return value;
      };
      const expected = header('LXD-Image-Hash').toLowerCase();
      const location = new URL(header('LXD-Image-URL'), url).href;
      const body = await web.request(location, { headers: serverHeaders, signal });
      const total = Number(body.headers['content-length']) || undefined;
      await using work = await images.workDirectory();
      const files = await receiveUnified(body, work.path, new URL(location).pathname.replace(/^.*\//, ''), (bytes) =>
        progress?.('rootfs', bytes, total),
      );
      if (files.fingerprint !== expected)
        throw badRequest(`fingerprints don't match, got ${files.fingerprint} expected ${expected}`);
      return await images.add(files, record);
    },
  };
};

import type { InstanceSource } from '@lxd-ts/api';
import { badRequest, type InstanceType, isTrue, notFound, type Work } from '@lxd-ts/driver-kit';
import type { InstanceImage } from '../instances/create.ts';
import { type ImageFetch, remoteSourceOf } from './fetch.ts';
import { watchDownload } from './progress.ts';
import type { ImageService } from './service.ts';
import type { Image, ImageStore } from './store.ts';
import { unpackImage } from './unpack.ts';

interface Parts {
  readonly images: ImageService;
  readonly store: ImageStore;
  readonly fetch: ImageFetch;
  /** Where the images' files are. */
  readonly directory: string;
  /** A server or project key that applies to images of a project. */
  readonly setting: (project: string, key: string) => Promise<string | undefined>;
}

/**
 * Finds the image an instance is to be made of, fetching it first when it is on another server (spec 04.36–38, 04.165).
 */
export const createImageChoice = ({ images, store, fetch, directory, setting }: Parts) => {
  const byProperties = async (project: string, wanted: Readonly<Record<string, string>>, type: InstanceType) => {
    const entries = Object.entries(wanted);
    if (entries.length === 0)
      throw badRequest('Must specify one of alias, fingerprint or properties for init from image');
    const matching = (await images.list(project)).filter(
      (image) => image.type === type && entries.every(([key, value]) => image.properties[key] === value),
    );
    const [newest] = matching.toSorted((a, b) => Number(b.createdAt ?? 0) - Number(a.createdAt ?? 0));
    if (!newest) throw notFound('No matching image could be found');
    return newest;
  };

  const choose = async (project: string, source: InstanceSource, type: InstanceType, work: Work): Promise<Image> => {
    if (source.server) {
      const autoUpdate = isTrue((await setting(project, 'images.auto_update_cached')) ?? 'true');
      return fetch.fromServer(
        remoteSourceOf(source, type),
        { project, public: false, autoUpdate, cached: true, properties: {}, aliases: [] },
        { preferLocal: autoUpdate, signal: work.signal, progress: watchDownload(work.progress) },
      );
    }
    if (source.alias) return images.get(project, (await store.alias(project, source.alias)).target);
    if (source.fingerprint) return images.get(project, source.fingerprint);
    return byProperties(project, source.properties, type);
  };

  return async (project: string, source: InstanceSource, type: InstanceType, work: Work): Promise<InstanceImage> => {
    const image = await choose(project, source, type, work);
    const { rootfs } = await images.files(image);
    return {
      fingerprint: image.fingerprint,
      type: image.type,
      architecture: image.architecture,
      properties: image.properties,
      profiles: image.profiles,
      unpack: unpackImage({
        directory,
        fingerprint: image.fingerprint,
        isSplit: rootfs !== undefined,
        type: image.type,
        isRepeated: image.lastUsedAt !== undefined,
      }),
    };
  };
};

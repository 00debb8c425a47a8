/** Images: where they come from, how they stay fresh, and which one an instance gets. */
import { isTrue } from '@lxd-ts/driver-kit';
import { createImageAliases } from '../images/aliases.ts';
import { createImageFetch } from '../images/fetch.ts';
import { createImageChoice } from '../images/for-instance.ts';
import { createPublish } from '../images/publish.ts';
import { createImageRefresh } from '../images/refresh.ts';
import { findOnLxd } from '../images/remote-lxd.ts';
import { createImageSecrets } from '../images/secrets.ts';
import { createImageService } from '../images/service.ts';
import { createSimplestreams } from '../images/simplestreams.ts';
import { createWeb } from '../images/web.ts';
import type { CreationParts } from '../instances/create.ts';
import { serverVersion } from '../server/version.ts';
import type { Base } from './base.ts';
import type { Storage } from './storage.ts';

export const createImages = (base: Base, { imageVolumes, rootVolumes }: Storage) => {
  const { settings, host, runs, projectConfig, directories } = base;
  const store = base.stores.images;
  const aliases = createImageAliases({ ...base, store });
  const images = createImageService({ ...base, store, aliases, volumes: imageVolumes });
  /** A project without images of its own uses those of the default project. */
  const projectOf = async (name: string): Promise<string> =>
    name === 'default' || isTrue((await projectConfig(name))['features.images']) ? name : 'default';
  const setting = async (project: string, key: string): Promise<string | undefined> =>
    (await projectConfig(project))[key] ?? settings.get(key);
  const web = createWeb(() => settings.all());
  const fetch = createImageFetch({
    images,
    store,
    web,
    finders: { lxd: findOnLxd, simplestreams: createSimplestreams(web, host.architectures) },
    serverHeaders: {
      'LXD-Server-Architectures': host.architectures.join(', '),
      'LXD-Server-Version': serverVersion,
    },
  });
  const choose = createImageChoice({ images, store, fetch, directory: directories.images, setting });
  const forInstance: CreationParts['image'] = async (project, source, type, work) =>
    choose(await projectOf(project), source, type, work);
  return {
    images,
    aliases,
    fetch,
    refresh: createImageRefresh({ ...base, images, aliases, fetch, volumes: imageVolumes, setting }),
    publish: createPublish({
      ...base,
      images,
      mount: rootVolumes.mount,
      configOf: async (instance, snapshot) => (await base.stores.snapshots.get(instance, snapshot)).config,
      isRunning: (instance) => runs.get(instance) !== undefined,
    }),
    secrets: createImageSecrets(base.operations),
    projectOf,
    setting,
    forInstance,
    markUsed: async (project: string, fingerprint: string) => images.markUsed(await projectOf(project), fingerprint),
  };
};

export type Images = ReturnType<typeof createImages>;

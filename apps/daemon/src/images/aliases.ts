import { imageAliasUrl } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import type { Alias, Image, ImageStore } from './store.ts';

/** Names of images. */
export interface ImageAliases {
  list(project: string): Promise<readonly Alias[]>;
  /** @throws LxdError not-found */
  get(project: string, name: string): Promise<Alias>;
  /** @throws LxdError conflict when the name is taken */
  create(image: Image, alias: { name: string; description: string }): Promise<void>;
  update(alias: Alias, change: { description: string; target: Image }): Promise<void>;
  rename(alias: Alias, name: string): Promise<void>;
  delete(alias: Alias): Promise<void>;
}

export const createImageAliases = ({ store, events }: { store: ImageStore; events: Events }): ImageAliases => {
  const publish = (
    action: 'created' | 'updated' | 'renamed' | 'deleted',
    name: string,
    project: string,
    context?: Record<string, unknown>,
  ): void => events.lifecycle(`image-alias-${action}`, imageAliasUrl(name), project, context);

  return {
    list: (project) => store.aliases(project),
    get: (project, name) => store.alias(project, name),

    async create(image, { name, description }) {
      if (name === '') throw badRequest('name and target are required');
      await store.insertAlias(image, name, description);
      publish('created', name, image.project, { target: image.fingerprint });
    },

    async update(alias, { description, target }) {
      await store.updateAlias(alias, target, description);
      publish('updated', alias.name, alias.project, { target: target.fingerprint });
    },

    async rename(alias, name) {
      if (name === '') throw badRequest('The name field is required');
      await store.renameAlias(alias, name);
      publish('renamed', name, alias.project, { old_name: alias.name });
    },

    async delete(alias) {
      await store.deleteAlias(alias);
      publish('deleted', alias.name, alias.project);
    },
  };
};

import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { instanceUrl } from '@lxd-ts/api';
import { badRequest, type MountedVolume, notFound } from '@lxd-ts/driver-kit';
import { isErrno, type Root } from '@lxd-ts/host';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import { type Metadata, openImageRoot, readMetadata, templateNames, writeMetadata } from '../images/metadata.ts';
import { type Instance, lockKey } from './instance.ts';

/** `metadata.yaml` and `templates/` beside an instance's root file system (spec 04.116). */
export interface InstanceMetadata {
  /** @throws LxdError not-found when the instance has none */
  get(instance: Instance): Promise<Metadata>;
  set(instance: Instance, change: (metadata: Metadata) => Metadata): Promise<void>;
  templates(instance: Instance): Promise<readonly string[]>;
  /** @throws LxdError not-found */
  readTemplate(instance: Instance, name: string): Promise<{ content: Buffer; modifiedAt: Date }>;
  /** Makes or replaces a template. */
  writeTemplate(instance: Instance, name: string, content: Readable): Promise<void>;
  /** @throws LxdError not-found */
  deleteTemplate(instance: Instance, name: string): Promise<void>;
}

interface Parts {
  readonly mount: (instance: Instance) => Promise<MountedVolume>;
  readonly locks: Locks;
  readonly events: Events;
}

const templatePath = (name: string): string => {
  if (Buffer.byteLength(name) > 255) throw badRequest('Invalid template filename: it is longer than 255 bytes');
  if (name === '.' || name === '..' || name.includes('/') || name.includes('\0'))
    throw badRequest(`Invalid template filename "${name}": give the name of a file without directories`);
  return `templates/${name}`;
};

export const createInstanceMetadata = ({ mount, locks, events }: Parts): InstanceMetadata => {
  const within = async <T>(instance: Instance, work: (root: Root) => Promise<T> | T): Promise<T> => {
    await using volume = await mount(instance);
    using root = openImageRoot(volume.path);
    return await work(root);
  };

  /** Reads or removes a template, saying so when there is none. */
  const existing = (instance: Instance, name: string, work: (root: Root, path: string) => unknown) => {
    const path = templatePath(name);
    return within(instance, async (root) => {
      try {
        return await work(root, path);
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ELOOP')) throw notFound(`Template "${name}" not found`, { cause: error });
        throw error;
      }
    });
  };

  type Action = 'retrieved' | 'updated' | `template-${'created' | 'deleted' | 'retrieved'}`;
  const publish = (action: Action, instance: Instance, path?: string): void =>
    events.lifecycle(
      `instance-metadata-${action}`,
      `${instanceUrl(instance.name)}/metadata${path === undefined ? '' : '/templates'}`,
      instance.project,
      path === undefined ? undefined : { path },
    );

  return {
    async get(instance) {
      const metadata = await within(instance, readMetadata);
      if (!metadata) throw notFound('The instance has no metadata.yaml');
      publish('retrieved', instance);
      return metadata;
    },

    async set(instance, change) {
      using _lock = await locks.wait(lockKey(instance), 'metadata');
      const empty: Metadata = { architecture: '', creation_date: 0, expiry_date: 0, properties: {}, templates: {} };
      await within(instance, async (root) => writeMetadata(root, change((await readMetadata(root)) ?? empty)));
      publish('updated', instance);
    },

    templates: (instance) => within(instance, templateNames),

    async readTemplate(instance, name) {
      let found = { content: Buffer.alloc(0), modifiedAt: new Date(0) };
      await existing(instance, name, async (root, path) => {
        await using file = await root.open(path);
        found = { content: await file.readFile(), modifiedAt: (await file.stat()).mtime };
      });
      publish('template-retrieved', instance, name);
      return found;
    },

    async writeTemplate(instance, name, content) {
      const path = templatePath(name);
      using _lock = await locks.wait(lockKey(instance), 'metadata');
      await within(instance, async (root) => {
        root.mkdirAll('templates', { mode: 0o711 });
        const file = await root.create(path, { mode: 0o644 });
        await pipeline(content, file.createWriteStream());
      });
      publish('template-created', instance, name);
    },

    async deleteTemplate(instance, name) {
      using _lock = await locks.wait(lockKey(instance), 'metadata');
      await existing(instance, name, (root, path) => root.unlink(path));
      publish('template-deleted', instance, name);
    },
  };
};

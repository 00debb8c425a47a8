import { randomUUID } from 'node:crypto';
import { type InstanceSource, instanceUrl } from '@lxd-ts/api';
import { badRequest, type Config, type Work } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Locks } from '../core/locks.ts';
import type { Events } from '../events/bus.ts';
import type { RootSource, RootVolumeService } from '../storage/root-volumes.ts';
import type { InstanceImage } from './create.ts';
import { type Instance, lockKey } from './instance.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import type { InstanceStore } from './store.ts';

export interface Rebuilding {
  /** Gives a stopped instance without snapshots a new root disk, from an image or empty, and keeps its configuration (spec 02.22–24). */
  rebuild(instance: Instance, source: InstanceSource, work: Work): Promise<void>;
  /** Finishes what a crash cut short. Call it before unfinished volumes are removed. */
  recover(): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly instances: InstanceService;
  readonly snapshots: SnapshotService;
  readonly volumes: RootVolumeService;
  readonly locks: Locks;
  readonly events: Events;
  readonly log: Logger;
  readonly image: (
    project: string,
    source: InstanceSource,
    type: Instance['type'],
    work: Work,
  ) => Promise<InstanceImage>;
}

/** Set once the new root disk is complete: the name that its volume has until it takes the place of the old one. */
const rebuildKey = 'volatile.rebuild';

const withoutImage = (config: Config): Config =>
  Object.fromEntries(
    Object.entries(config).filter(([key]) => !key.startsWith('image.') && key !== 'volatile.base_image'),
  );

const imageKeys = ({ properties, fingerprint }: InstanceImage): Config => ({
  ...Object.fromEntries(Object.entries(properties).map(([key, value]) => [`image.${key}`, value])),
  'volatile.base_image': fingerprint,
});

export const createRebuilding = (parts: Parts): Rebuilding => {
  const { store, volumes, locks, events, log } = parts;

  /** Puts the new volume in the place of the old one; repeats harmlessly. */
  const takePlace = async (instance: Instance, name: string): Promise<void> => {
    const fresh = { ...instance, name };
    if (await volumes.has(fresh)) {
      await volumes.markReady(fresh);
      await volumes.delete(instance);
      await volumes.rename(fresh, instance.name);
    }
    await store.setConfig(instance.id, { [rebuildKey]: '' });
    await volumes.writeBackupFile(await store.get(instance.project, instance.name));
  };

  return {
    async rebuild({ project, name }, source, work) {
      using _lock = await locks.hold(lockKey({ project, name }), 'rebuild');
      const instance = await store.get(project, name);
      if (parts.instances.runOf(instance)) throw badRequest('The instance must be stopped to be rebuilt');
      if ((await parts.snapshots.list(instance)).length > 0)
        throw badRequest('An instance with snapshots cannot be rebuilt: delete them first');
      if (source.type !== 'image' && source.type !== 'none')
        throw badRequest(`Invalid source.type "${source.type}": rebuild from one of image, none`);
      const image = source.type === 'image' ? await parts.image(project, source, instance.type, work) : undefined;
      if (image && image.type !== instance.type)
        throw badRequest(`Requested image's type "${image.type}" doesn't match instance type "${instance.type}"`);
      const root: RootSource = image
        ? { kind: 'image', fingerprint: image.fingerprint, unpack: image.unpack }
        : { kind: 'empty' };
      // The new disk is complete before the old one goes: an image that cannot be unpacked costs nothing.
      const temporary = `lxd-rebuild-${randomUUID()}`;
      await volumes.create({ ...instance, name: temporary }, root, work, async () => {
        await store.update(instance, {
          config: {
            ...withoutImage(instance.config),
            ...(image ? imageKeys(image) : {}),
            'volatile.apply_template': 'create',
            'volatile.uuid.generation': randomUUID(),
            [rebuildKey]: temporary,
          },
        });
      });
      await takePlace(instance, temporary);
      events.lifecycle('instance-updated', instanceUrl(name), project);
    },

    async recover() {
      for (const instance of await store.list()) {
        const name = instance.config[rebuildKey];
        if (name === undefined || instance.state !== 'ready') continue;
        log.warn({ instance: instance.name }, 'Finishing a rebuild that was under way when the daemon died');
        try {
          await takePlace(instance, name);
        } catch (error) {
          log.error({ err: error, instance: instance.name }, 'Could not finish the rebuild');
        }
      }
    },
  };
};

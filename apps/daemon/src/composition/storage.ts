/** Pools and what lies in them: volumes of images, of instances, and custom ones. */
import { attaches } from '../core/used-by.ts';
import { createImageVolumes } from '../images/pool-volumes.ts';
import type { Instance } from '../instances/instance.ts';
import { createPools } from '../storage/pools.ts';
import { createRootSnapshots } from '../storage/root-snapshots.ts';
import { createRootVolumes, type RootVolumeParts } from '../storage/root-volumes.ts';
import { createVolumeSnapshots } from '../storage/volume-snapshots.ts';
import { createCustomVolumes } from '../storage/volumes.ts';
import type { Base } from './base.ts';

/** @param record - what `backup.yaml` in an instance's volume says */
export const createStorage = (base: Base, record: RootVolumeParts['backupContent']) => {
  const { stores, runs, usedBy } = base;
  const pools = createPools({
    ...base,
    store: stores.pools,
    usedBy: usedBy.pool,
    removeImages: (name) => imageVolumes.clear(name),
  });
  const imageVolumes = createImageVolumes({ ...base, pools, volumes: stores.volumes });
  const rootVolumes = createRootVolumes({
    ...base,
    pools,
    store: stores.volumes,
    imageVolume: imageVolumes.get,
    backupContent: record,
  });
  const isRunning = (instance: Instance): boolean => runs.get(instance) !== undefined;
  const customVolumes = createCustomVolumes({
    ...base,
    pools,
    store: stores.volumes,
    usedBy: usedBy.customVolume,
    runningUsers: async (name) =>
      (await stores.instances.list({ project: name.project }))
        .filter((one) => isRunning(one) && Object.values(one.expanded.devices).some(attaches(name)))
        .map((one) => one.name),
  });
  return {
    pools,
    imageVolumes,
    rootVolumes,
    rootSnapshots: createRootSnapshots(pools, rootVolumes, stores.volumes),
    customVolumes,
    volumeSnapshots: createVolumeSnapshots({ ...base, volumes: customVolumes, store: stores.volumes }),
  };
};

export type Storage = ReturnType<typeof createStorage>;

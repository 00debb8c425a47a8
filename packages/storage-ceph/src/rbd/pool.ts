/** An open pool of the `ceph` driver. */
import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  incompleteDirectory,
  isTrueOrUnset,
  type PoolSpec,
  removePoolDirectories,
  type StoragePool,
  unavailable,
} from '@lxd-ts/driver-kit';
import { CommandError, isErrno, mountsBelow, run } from '@lxd-ts/host';
import { type Cluster, ceph, configurationFile } from '../cluster.ts';
import { copier } from './copies.ts';
import { devicesOf } from './devices.ts';
import { thaw } from './freeze.ts';
import { type Images, imagesOf } from './images.ts';
import { mountsOf } from './mounts.ts';
import { ZOMBIE } from './names.ts';
import { clusterOf, deleteOsdPool, imageSettings, osdPoolOf, setPlacementGroups } from './osd-pool.ts';
import { removeImage, sweepRemains, sweepZombies } from './removal.ts';
import { resizer } from './resize.ts';
import { snapshotCalls } from './snapshots.ts';
import { putBackUnfinished } from './unfinished.ts';
import { estimatedSpace, type Measurements, measurementsOf } from './usage.ts';
import { volumeCalls } from './volumes.ts';

/** Keys that say where the pool is: they cannot change. */
const fixed = ['source', 'ceph.cluster_name', 'ceph.osd.pool_name', 'ceph.user.name'];

/** What commands of an earlier run may still take that go on after its end. */
const STRAGGLERS_SECONDS = 60;

/** Waits until no command works on the pool that a run before this one has started. */
const waitForStragglers = async (lock: string): Promise<void> => {
  try {
    await run(['flock', '--exclusive', '--timeout', String(STRAGGLERS_SECONDS), lock, 'true']);
  } catch (error) {
    if (!(error instanceof CommandError && error.exitCode === 1)) throw error;
    throw unavailable(
      `Commands of an earlier run still work on the pool after ${STRAGGLERS_SECONDS} seconds (see "fuser ${lock}")`,
      {
        cause: error,
      },
    );
  }
};

/** The id of a cluster, from its configuration file where it is there: the cluster itself is asked by a program that starts slowly. */
const clusterId = async (cluster: Cluster): Promise<string> => {
  const text = await readFile(configurationFile(cluster), 'utf8');
  const written = /^\s*fsid\s*=\s*([0-9a-f-]{36})\s*$/m.exec(text)?.[1];
  return written ?? (await ceph(cluster, ['ceph', 'fsid'])).trim();
};

/** Removes what an earlier run left, and learns the sizes of images by the way. */
const sweep = async (images: Images, measured: Measurements): Promise<void> => {
  const work = { signal: measured.signal };
  const listed = await images.list(work);
  for (const { image, snapshot, size } of listed) if (snapshot === undefined) measured.setSize(image, size);
  await sweepRemains(images, listed, work);
  await sweepZombies(images, listed);
};

export const openPool = async (spec: PoolSpec): Promise<StoragePool> => {
  const { path: root } = spec;
  const cluster = clusterOf(spec);
  const osdPool = osdPoolOf(spec);
  let config: Config = spec.config;

  const space = await estimatedSpace(cluster, osdPool);
  if (space === undefined) throw unavailable(`Ceph cluster "${cluster.name}" has no OSD pool "${osdPool}"`);
  const fsid = await clusterId(cluster);
  await mkdir(root, { recursive: true, mode: 0o711 });
  const lock = join(root, '.commands');

  const images = imagesOf({
    cluster,
    osdPool,
    config: () => imageSettings(config),
    guard: ['flock', '--shared', '--no-fork', lock],
  });
  const devices = devicesOf(images, fsid);
  const measured = measurementsOf(images, space, () => isTrueOrUnset(config['ceph.rbd.du']));
  const mounts = mountsOf(root, images, devices, measured);
  const resize = resizer(images, devices, mounts);
  const parts = { images, devices, mounts, measured, resize };
  const copy = copier(images, mounts, resize, () => config);
  const volumes = volumeCalls({ ...parts, copier: copy });

  if (!spec.inspect) {
    await waitForStragglers(lock);
    // An earlier run may have ended in the middle of a snapshot, or of a change of content.
    for (const { target } of mountsBelow(root)) await thaw(target);
    await putBackUnfinished(root, images);
    measured.changed();
    measured.later(() => {
      // Nothing can be measured while something is half removed.
      measured.background('Removing what is not used', () => sweep(images, measured).finally(measured.measureUnknown));
    });
  }

  return {
    name: spec.name,
    path: root,
    ...volumes,
    ...snapshotCalls(root, { ...parts, copier: copy }),

    resources: async () => ({ space: measured.space(), inodes: { used: 0, total: 0 } }),

    async update(next, changed) {
      const refused = changed.find((key) => fixed.includes(key));
      if (refused !== undefined) throw badRequest(`"${refused}" of a storage pool cannot be changed`);
      if (changed.includes('ceph.osd.pg_num')) await setPlacementGroups(spec, next['ceph.osd.pg_num'] || '32');
      config = next;
    },

    async delete() {
      const mounted = mountsBelow(root).map(({ target }) => target);
      if (mounted.length > 0) throw conflict(`Storage pool "${spec.name}" is in use: ${mounted.join(', ')} is mounted`);
      await measured[Symbol.asyncDispose]();
      for (const { image, snapshot } of await images.list()) {
        if (snapshot === undefined && image.startsWith(ZOMBIE)) await removeImage(images, image);
      }
      for (const { image } of devices.all()) await devices.releaseAll(image, `Storage pool "${spec.name}"`);
      await deleteOsdPool(spec);
      await removePoolDirectories(root);
      await rm(incompleteDirectory(root), { recursive: true, force: true });
      await rm(lock, { force: true });
      try {
        await rmdir(root);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    },

    [Symbol.asyncDispose]: () => measured[Symbol.asyncDispose](),
  };
};

/** What a pool lives in: a volume group on a loop file, on a device, or one that is there already. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  defaultLoopSize,
  exists,
  isTrue,
  type PoolSpec,
  parseSize,
  UndoStack,
  unavailable,
} from '@lxd-ts/driver-kit';
import { attachLoop, createSparseFile, detachLoop, findLoops, isErrno, keepLoop, run } from '@lxd-ts/host';
import { z } from 'zod';
import { ask, isMissing, lvm } from './command.ts';
import { type Group, groupOf, logicalVolumes, qualified, usesThinPool } from './group.ts';
import { removeLogicalVolume } from './remove.ts';
import { removeStaleLinks } from './stale-links.ts';
import { createThinPool, givenTag } from './thin-pool.ts';

/** LXD's mark on a volume group that is a pool. */
export const poolTag = 'lxd_pool';

/** The smallest loop file that holds a volume group with a thin pool. */
const minimumSize = 32 * 1024 ** 2;

/** The loop file that the driver makes for a pool without a source. */
export const loopFile = ({ disks, name }: Pick<PoolSpec, 'disks' | 'name'>): string => join(disks, `${name}.img`);

const groupRow = z.object({
  vg_name: z.string(),
  vg_tags: z.string(),
  vg_size: z.string(),
  vg_free: z.string(),
  vg_extent_size: z.string(),
});

/** A volume group as a report tells it; sizes are bytes. */
export interface FoundGroup {
  readonly name: string;
  readonly tags: readonly string[];
  readonly size: number;
  readonly free: number;
  readonly extentSize: number;
}

/** The volume groups of the host, or those named. */
export const volumeGroups = async (...names: readonly string[]): Promise<FoundGroup[]> =>
  (await ask('vgs', groupRow, ...names)).map((row) => ({
    name: row.vg_name,
    tags: row.vg_tags.split(','),
    size: Number(row.vg_size),
    free: Number(row.vg_free),
    extentSize: Number(row.vg_extent_size),
  }));

/** Attaches the loop file of a pool, unless it is. Direct I/O spares the second copy in the page cache, where it can be had. */
export const attachSource = async (file: string): Promise<string> => {
  const attached = findLoops(file)[0];
  // One that was detached a moment ago may still have a user, and would go with him.
  if (attached && (!attached.autoclear || (await keepLoop(attached.path)))) return attached.path;
  try {
    return (await attachLoop(file, { directIo: true })).path;
  } catch (error) {
    if (!isErrno(error, 'EINVAL')) throw error;
    return (await attachLoop(file)).path;
  }
};

export const detachSource = async (file: string): Promise<void> => {
  if (!(await exists(file))) return;
  for (const { path } of findLoops(file)) await detachLoop(path);
};

/** Removes a volume group with all in it, and LVM's mark from its devices. Nothing there is no error. */
const removeGroup = async (name: string): Promise<void> => {
  const row = z.object({ pv_name: z.string(), vg_name: z.string() });
  const devices = (await ask('pvs', row)).filter(({ vg_name }) => vg_name === name).map(({ pv_name }) => pv_name);
  try {
    await lvm(['vgremove', '--force', '--yes', name]);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  for (const device of devices) await lvm(['pvremove', '--yes', device]);
};

/** Makes the volume group of a pool on a device. */
const createGroup = async (group: Group, device: string, undo: UndoStack): Promise<void> => {
  const all = await volumeGroups();
  if (all.some(({ name }) => name === group.name)) throw conflict(`The volume group "${group.name}" exists already`);
  await removeStaleLinks(group.name);
  undo.add('remove the volume group', () => removeGroup(group.name));
  await lvm(['vgcreate', '--yes', '--addtag', poolTag, group.name, device]);
};

const onLoopFile = async (spec: PoolSpec, group: Group, undo: UndoStack): Promise<Config> => {
  const file = loopFile(spec);
  await mkdir(spec.disks, { recursive: true, mode: 0o700 });
  const GiB = 1024 ** 3;
  const size = spec.config.size || `${Math.floor((await defaultLoopSize(spec.disks)) / GiB)}GiB`;
  if (parseSize(size) < minimumSize) {
    throw badRequest(`Invalid value for "size": "${size}" is too small for LVM, which needs ${minimumSize} bytes`);
  }
  try {
    await createSparseFile(file, parseSize(size));
  } catch (error) {
    throw isErrno(error, 'EEXIST') ? conflict(`The loop file "${file}" exists already`, { cause: error }) : error;
  }
  undo.add('remove the loop file', () => rm(file));
  undo.add('detach the loop file', () => detachSource(file));
  await createGroup(group, await attachSource(file), undo);
  return { ...spec.config, size, source: file };
};

/** What a device carries, in the words of wipefs(8); empty: nothing. */
const signatures = async (device: string): Promise<string[]> => {
  const { stdout } = await run(['wipefs', '--noheadings', '--output', 'TYPE', device], { debianPackage: 'util-linux' });
  return stdout.split('\n').filter((line) => line.trim() !== '');
};

const onDevice = async (spec: PoolSpec, group: Group, device: string, undo: UndoStack): Promise<Config> => {
  const stats = await stat(device).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw badRequest(`Source "${device}" doesn't exist`, { cause: error });
    throw error;
  });
  if (!stats.isBlockDevice()) {
    throw badRequest(
      `Source "${device}" must be a block device or the name of a volume group: custom loop file locations are not supported`,
    );
  }
  if (isTrue(spec.config['source.wipe'])) {
    await run(['wipefs', '--all', '--force', '--quiet', device], { debianPackage: 'util-linux' });
  }
  const found = (await signatures(device)).filter((one) => one !== 'LVM2_member');
  if (found.length > 0) {
    throw conflict(`Source "${device}" is not empty (${found.join(', ')}); "source.wipe" set to true wipes it`);
  }
  const row = z.object({ pv_name: z.string(), vg_name: z.string() });
  const physical = (await ask('pvs', row)).find(({ pv_name }) => pv_name === device);
  if (physical?.vg_name) throw conflict(`Source "${device}" belongs to volume group "${physical.vg_name}"`);
  await createGroup(group, device, undo);
  const { size: _, ...config } = spec.config;
  return { ...config, source: group.name, 'volatile.initial_source': device };
};

const inGroup = async (spec: PoolSpec, group: Group, source: string, undo: UndoStack): Promise<Config> => {
  const named = spec.config['lvm.vg_name'];
  if (named && named !== source)
    throw badRequest('Invalid value for "lvm.vg_name": it differs from the volume group that "source" names');
  group.name = source;
  const found = (await volumeGroups()).find(({ name }) => name === source);
  if (!found) throw badRequest(`The requested volume group "${source}" does not exist`);
  if (!isTrue(spec.config['lvm.vg.force_reuse'])) {
    if (found.tags.includes(poolTag)) throw conflict(`Volume group "${source}" is already used by LXD`);
    const row = z.object({ lv_name: z.string() });
    const others = (await ask('lvs', row, source)).filter(({ lv_name }) => lv_name !== group.thinPool);
    if (others.length > 0)
      throw conflict(`Volume group "${source}" is not empty; "lvm.vg.force_reuse" set to true uses it as it is`);
  }
  if (!found.tags.includes(poolTag)) {
    undo.add('take the mark off', () => lvm(['vgchange', '--deltag', poolTag, source]));
    await lvm(['vgchange', '--addtag', poolTag, source]);
  }
  const { size: _, ...config } = spec.config;
  return { ...config, source, 'volatile.initial_source': source };
};

/** Makes or takes what the pool lives in, as its `source` says. Returns the effective configuration. */
export const createSource = async (spec: PoolSpec): Promise<Config> => {
  const { config } = spec;
  if (!usesThinPool(spec) && config['lvm.thinpool_name']) {
    throw badRequest('The key "lvm.use_thinpool" cannot be set to false when "lvm.thinpool_name" is set');
  }
  const source = config.source ?? '';
  const group = groupOf(spec);
  await using undo = new UndoStack();
  const make =
    source === ''
      ? onLoopFile(spec, group, undo)
      : source.startsWith('/')
        ? onDevice(spec, group, source, undo)
        : inGroup(spec, group, source, undo);
  const effective = await make;
  const { thinPool } = group;
  if (thinPool !== undefined) {
    // A group that was made now is empty.
    const volumes = config.source === group.name ? await logicalVolumes(group) : [];
    if (volumes.some(({ name, isThinPool }) => isThinPool && name === thinPool))
      await lvm(['lvchange', '--addtag', givenTag, qualified(group, thinPool)]);
    else {
      undo.add('remove the thin pool', () => removeLogicalVolume(group, thinPool));
      await createThinPool(group, thinPool, config);
    }
  }
  undo.commit();
  return {
    ...effective,
    'lvm.vg_name': group.name,
    ...(thinPool === undefined ? {} : { 'lvm.thinpool_name': thinPool }),
  };
};

/** Whether the volume group was there before the pool. */
const isGiven = ({ config }: Pick<PoolSpec, 'config'>): boolean =>
  config['volatile.initial_source'] !== undefined && !config['volatile.initial_source'].startsWith('/');

/** Takes away what `createSource` made; nothing is mounted. What was given stays. */
export const deleteSource = async (spec: PoolSpec, group: Group): Promise<void> => {
  const source = spec.config.source ?? '';
  const isLoop = source === loopFile(spec);
  if (isLoop && (await exists(source))) await attachSource(source);
  if ((await volumeGroups()).some(({ name }) => name === group.name)) {
    if (isGiven(spec)) {
      const row = z.object({ lv_name: z.string(), lv_tags: z.string() });
      const pool = (await ask('lvs', row, group.name)).find(({ lv_name }) => lv_name === group.thinPool);
      if (pool?.lv_tags.split(',').includes(givenTag))
        await lvm(['lvchange', '--deltag', givenTag, qualified(group, pool.lv_name)]);
      else if (pool) await removeLogicalVolume(group, pool.lv_name);
      await lvm(['vgchange', '--deltag', poolTag, group.name]);
    } else await removeGroup(group.name);
  }
  if (isLoop) {
    await detachSource(source);
    await rm(source, { force: true });
  }
};

/**
 * Makes the source of a pool accessible.
 *
 * @throws LxdError unavailable when it is not there
 */
export const openSource = async (spec: PoolSpec): Promise<void> => {
  const source = spec.config.source ?? '';
  if (!source.startsWith('/')) return;
  if (!(await exists(source))) throw unavailable(`The source "${source}" of storage pool "${spec.name}" is not there`);
  if ((await stat(source)).isFile()) await attachSource(source);
};

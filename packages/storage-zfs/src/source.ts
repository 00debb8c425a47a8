/** Where a pool lives: a zpool on a loop file or a device, or a zpool or dataset that is there already. */
import { existsSync } from 'node:fs';
import { mkdir, realpath, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  defaultLoopSize,
  isTrue,
  messageOf,
  type PoolSpec,
  parseSize,
  UndoStack,
  unavailable,
  validateConfig,
} from '@lxd-ts/driver-kit';
import { createSparseFile, isErrno, run } from '@lxd-ts/host';
import { complaint, rows, unless, whileBusy, zfs, zpool } from './commands.ts';
import { poolConfig } from './config.ts';
import { poolDatasets, zpoolOf } from './names.ts';
import { asOptions } from './properties.ts';

/** The smallest device that a zpool can be made on. */
const minimumSize = 64 * 1024 ** 2;

/** The loop file that the driver makes for a pool without a source. */
export const loopFile = ({ disks, name }: Pick<PoolSpec, 'disks' | 'name'>): string => join(disks, `${name}.img`);

/** The properties of the root dataset, which all below inherit. */
const rootProperties: readonly string[] = [
  'mountpoint=legacy',
  'xattr=sa',
  'acltype=posixacl',
  'atime=off',
  'relatime=on',
  'setuid=on',
  'exec=on',
  'devices=on',
];

/** Whether the kernel has this zpool imported (zfs(4), kstats). */
export const isImported = (name: string): boolean => existsSync(`/proc/spl/kstat/zfs/${name}`);

/** What a pool lives in. Without a source, as while it is being created, that is its loop file. */
const sourceOf = (spec: PoolSpec): string => spec.config.source || loopFile(spec);

const refuseTaken = (name: string): void => {
  if (name.includes('/')) throw badRequest(`Invalid value for "zfs.pool_name": "${name}" must be the name of a zpool`);
  if (isImported(name)) throw conflict(`A zpool "${name}" exists already; choose another name with "zfs.pool_name"`);
};

const createZpool = async (name: string, device: string, options: { readonly force: boolean }): Promise<void> => {
  refuseTaken(name);
  const properties = rootProperties.flatMap((one) => (one.startsWith('mountpoint') ? [] : ['-O', one]));
  const force = options.force ? ['-f'] : [];
  try {
    await zpool([
      'create',
      ...force,
      '-m',
      'legacy',
      '-o',
      'autotrim=on',
      '-O',
      'compression=on',
      ...properties,
      name,
      device,
    ]);
  } catch (error) {
    throw conflict(`Failed to make a zpool on "${device}": ${messageOf(error)}`, { cause: error });
  }
};

const createLoopFile = async (spec: PoolSpec, name: string): Promise<Config> => {
  const file = loopFile(spec);
  await mkdir(spec.disks, { recursive: true, mode: 0o700 });
  const GiB = 1024 ** 3;
  const size = spec.config.size || `${Math.floor((await defaultLoopSize(spec.disks)) / GiB)}GiB`;
  if (parseSize(size) < minimumSize) {
    throw badRequest(`Invalid value for "size": "${size}" is too small for a zpool, which needs ${minimumSize} bytes`);
  }
  refuseTaken(name);
  await using undo = new UndoStack();
  try {
    await createSparseFile(file, parseSize(size));
    undo.add('remove the loop file', () => rm(file));
  } catch (error) {
    throw isErrno(error, 'EEXIST') ? conflict(`The loop file "${file}" exists already`, { cause: error }) : error;
  }
  await createZpool(name, file, { force: false });
  undo.commit();
  return { ...spec.config, size, source: file, 'zfs.pool_name': name };
};

/** Whether a path can carry a zpool. */
const checkDevice = async (source: string): Promise<'device' | 'file'> => {
  try {
    const stats = await stat(source);
    if (stats.isBlockDevice()) return 'device';
    if (stats.isFile()) return 'file';
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
  throw badRequest(`Source "${source}" must be a block device, a file, or the name of a zpool or dataset`);
};

const takeDevice = async (spec: PoolSpec, source: string, name: string): Promise<Config> => {
  const kind = await checkDevice(source);
  const wipe = isTrue(spec.config['source.wipe']);
  if (wipe) await run(['wipefs', '--all', '--force', '--quiet', source], { debianPackage: 'util-linux' });
  await createZpool(name, source, { force: wipe });
  // A device may have another name at the next start: the zpool is looked for by its own. A file is found where it is.
  return { source: kind === 'file' ? source : name, 'volatile.initial_source': source, 'zfs.pool_name': name };
};

const takeDataset = async (spec: PoolSpec, source: string): Promise<Config> => {
  const named = spec.config['zfs.pool_name'];
  if (named && named !== source) throw badRequest('The source must match zfs.pool_name if specified');
  if (!isImported(zpoolOf(source))) await importZpool(zpoolOf(source));
  const found = await unless('missing', () => zfs(['list', '-H', '-r', '-t', 'all', '-o', 'name', source]));
  if (found === undefined) {
    try {
      await zfs(['create', ...asOptions(rootProperties), source]);
    } catch (error) {
      throw complaint(error) === undefined && !/parent/.test(messageOf(error))
        ? error
        : badRequest(`The dataset "${source}" cannot be made: ${messageOf(error)}`, { cause: error });
    }
  } else {
    if (rows(found).length > 1) {
      throw conflict(
        `Provided ZFS pool (or dataset) isn't empty, run "sudo zfs list ${source}" to see existing entries`,
      );
    }
    await zfs(['set', ...rootProperties, source]);
  }
  return { source, 'volatile.initial_source': source, 'zfs.pool_name': source };
};

/** Makes or takes what the pool lives in, as its `source` says. Returns the effective configuration. */
export const createSource = async (spec: PoolSpec): Promise<Config> => {
  checkConfig(spec);
  const source = spec.config.source ?? '';
  const name = rootDataset(spec);
  if (source === '') return createLoopFile(spec, name);
  // A size is for loop files alone.
  const { size: _, ...config } = spec.config;
  if (source.startsWith('/')) return { ...config, ...(await takeDevice(spec, source, name)) };
  return { ...config, ...(await takeDataset(spec, source)) };
};

/** The root dataset of a pool: the one named, or that it was given, or one of the pool's name. */
export const rootDataset = ({ config, name }: Pick<PoolSpec, 'config' | 'name'>): string =>
  config['zfs.pool_name'] || (config.source?.startsWith('/') ? '' : config.source) || name;

/** Checks the names that ZFS gets to see: one that begins like an option would be taken for one. */
const checkConfig = (spec: PoolSpec): void => {
  validateConfig(poolConfig, { 'zfs.pool_name': rootDataset(spec), source: spec.config.source ?? '' }, 'pool');
};

/** Imports a zpool that is destroyed and whose file is still there. @returns whether there was one */
const revive = async (name: string, directory: string): Promise<boolean> =>
  (await unless('missing', () => zpool(['import', '-D', '-f', '-N', '-d', directory, name]))) !== undefined;

/** Where all devices are, those too that zpool does not look at by itself (loop devices), or that no udev lists by their names. */
const devices = '/dev';

/**
 * @param directory - where its file is; undefined: it is on devices
 * @throws LxdError unavailable when its devices or files are not there
 */
const importZpool = async (name: string, directory?: string): Promise<void> => {
  try {
    // Forced: another host may have died with it. Nothing is mounted by it.
    await zpool(['import', '-f', '-N', ...(directory === undefined ? [] : ['-d', directory]), name]);
  } catch (error) {
    // Imported by someone else since it was looked for.
    if (complaint(error) === 'exists' && isImported(name)) return;
    if (complaint(error) === 'missing') {
      if (directory === undefined) return importZpool(name, devices);
      // A daemon that died while it deleted the pool: it comes back, to be deleted again.
      if (directory !== devices && (await revive(name, directory))) return;
    }
    throw unavailable(`The zpool "${name}" cannot be imported: ${messageOf(error)}`, { cause: error });
  }
};

/** Whether a zpool that is imported lies on a file or device. */
const liesOn = async (name: string, path: string): Promise<boolean> => {
  const wanted = await realpath(path);
  const devices = rows(await zpool(['list', '-H', '-v', '-P', '-L', name])).flatMap((fields) => fields.filter(Boolean));
  // A whole disk has its zpool on the first partition.
  return devices.some((field) => field === wanted || field === `${wanted}1` || field === `${wanted}p1`);
};

/**
 * Imports the zpool of a pool.
 *
 * @returns whether it had to be: it may have been already
 */
export const openSource = async (spec: PoolSpec): Promise<boolean> => {
  checkConfig(spec);
  const name = zpoolOf(rootDataset(spec));
  const source = sourceOf(spec);
  const isPath = source.startsWith('/');
  if (isPath && !existsSync(source)) {
    throw unavailable(`The source "${source}" of storage pool "${spec.name}" is not there`);
  }
  if (isImported(name)) {
    // Another zpool of the same name is none of ours, least of all to be deleted.
    if (isPath && !(await liesOn(name, source))) throw unavailable(`The zpool "${name}" does not lie on "${source}"`);
    return false;
  }
  if (!isPath) {
    await importZpool(name);
    return true;
  }
  const isDevice = (await stat(source)).isBlockDevice();
  await importZpool(name, isDevice ? undefined : dirname(source));
  return true;
};

/** How long those who stop using a zpool may take: the mount namespace of a container goes a little after its processes. */
const lettingGoMs = 3000;

/** Exports the zpool, unless someone uses it. The datasets of others in it stay available: it is left then. */
export const closeSource = async (root: string): Promise<void> => {
  if (root.includes('/') || !isImported(root)) return;
  await unless('busy', () => whileBusy(() => zpool(['export', root]), lettingGoMs));
};

/** Refuses to delete what somebody else keeps beside the volumes. */
const refuseForeign = async (root: string): Promise<void> => {
  const output = await unless('missing', () => zfs(['list', '-H', '-d', '1', '-t', 'all', '-o', 'name', root]));
  const own = new Set([root, ...['deleted', ...poolDatasets].map((name) => `${root}/${name}`)]);
  const foreign = rows(output ?? '').flatMap(([name = '']) => (own.has(name) ? [] : [name]));
  if (foreign.length > 0)
    throw conflict(`"${root}" is not deleted: there is more than a storage pool in it: ${foreign.join(', ')}`);
};

/** Takes away what `createSource` made, and what was given: LXD assumes that the pool is its own. */
export const deleteSource = async (spec: PoolSpec): Promise<void> => {
  const root = rootDataset(spec);
  await refuseForeign(root);
  if (root.includes('/')) await whileBusy(() => unless('missing', () => zfs(['destroy', '-r', root])));
  else await whileBusy(() => unless('missing', () => zpool(['destroy', root])));
  if (sourceOf(spec) === loopFile(spec)) await rm(loopFile(spec), { force: true });
};

/** Makes the loop file larger, and the zpool with it. */
export const growSource = async (spec: PoolSpec, size: string): Promise<void> => {
  const file = loopFile(spec);
  if (sourceOf(spec) !== file) {
    throw badRequest(`Storage pool "${spec.name}" cannot grow: only pools in a loop file made by the server can`);
  }
  const [wanted, { size: now }] = [parseSize(size), await stat(file)];
  if (wanted < now) throw badRequest(`Storage pools cannot be shrunk: it has ${now} bytes, ${wanted} were asked for`);
  await truncate(file, wanted);
  await zpool(['online', '-e', zpoolOf(rootDataset(spec)), file]);
};

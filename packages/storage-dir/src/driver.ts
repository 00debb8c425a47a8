import { mkdir, rmdir, stat } from 'node:fs/promises';
import {
  badRequest,
  type Config,
  commonVolumeConfig,
  conflict,
  defineStorageDriver,
  isEmptyDirectory,
  makePoolDirectories,
  messageOf,
  notImplemented,
  type PoolSpec,
  removePoolDirectories,
  rsyncPoolConfig,
  type StorageDriver,
  sourcePathKey,
  UndoStack,
  unavailable,
} from '@lxd-ts/driver-kit';
import { bindMount, isErrno, isMountPoint, run } from '@lxd-ts/host';
import { openPool } from './pool.ts';

/** The directory that holds the pool's files. */
const sourceOf = ({ path, config }: PoolSpec): string => (config.source ?? '').replace(/(?<=.)\/+$/, '') || path;

const isDirectory = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
};

const create = async (spec: PoolSpec): Promise<Config> => {
  const source = sourceOf(spec);
  const given = source !== spec.path;
  if (!source.startsWith('/')) throw badRequest(`Invalid value for "source": "${source}" must be an absolute path`);
  if (given && !(await isDirectory(source))) throw badRequest(`Source path "${source}" doesn't exist`);
  await using undo = new UndoStack();
  if (!given) {
    const made = await mkdir(source, { recursive: true, mode: 0o711 });
    if (made !== undefined) undo.add('remove the directory', () => rmdir(source));
  }
  if (!(await isEmptyDirectory(source))) throw conflict(`Source path "${source}" isn't empty`);
  undo.add('remove the pool directories', () => removePoolDirectories(source));
  await makePoolDirectories(source);
  undo.commit();
  return { ...spec.config, source, ...(given ? { 'volatile.initial_source': spec.config.source ?? source } : {}) };
};

/**
 * The `dir` driver: a volume is a directory, a disk is a sparse file in it, a snapshot is a full copy. It works on any file
 * system; on ext4 and xfs with project quotas volumes can be limited.
 */
export const dir: StorageDriver = defineStorageDriver({
  name: 'dir',
  features: {
    optimizedImages: false,
    optimizedSnapshots: false,
    optimizedTransfer: false,
    copyOnWrite: false,
    blockBased: false,
    remote: false,
    restoreAnySnapshot: true,
    quotas: 'depends',
    nesting: true,
    volumeTypes: ['container', 'virtual-machine', 'image', 'custom'],
    customContent: ['filesystem', 'block', 'iso'],
    buckets: true,
    loopFiles: false,
    offeredByInit: true,
  },
  poolConfig: [
    ...rsyncPoolConfig,
    sourcePathKey('Existing directory that holds the pool; unset: a directory below storage-pools'),
  ],
  volumeConfig: commonVolumeConfig,
  bucketConfig: [],

  async probe() {
    // cp of coreutils is on every system; rsync is not.
    try {
      await run(['rsync', '--version'], { debianPackage: 'rsync' });
    } catch (error) {
      throw notImplemented(`The dir driver needs rsync: ${messageOf(error)}`, { cause: error });
    }
    return { version: '1' };
  },

  create,

  async open(spec) {
    const source = sourceOf(spec);
    if (!(await isDirectory(source))) {
      throw unavailable(`The directory "${source}" of storage pool "${spec.name}" is not there`);
    }
    if (source !== spec.path && !(await isMountPoint(spec.path))) {
      await mkdir(spec.path, { recursive: true, mode: 0o711 });
      await bindMount(source, spec.path);
    }
    return openPool(spec, source);
  },
});

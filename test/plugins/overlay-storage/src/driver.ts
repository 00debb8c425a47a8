import { mkdir, mkdtemp, stat } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  commonVolumeConfig,
  conflict,
  defineStorageDriver,
  isEmptyDirectory,
  messageOf,
  notImplemented,
  type PoolSpec,
  type StorageDriver,
  sourcePathKey,
  unavailable,
} from '@lxd-ts/driver-kit';
import { isErrno, removeTree } from '@lxd-ts/host';
import { checkPath, mountWritable } from './overlay-mount.ts';
import { openPool } from './pool.ts';

const isDirectory = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
};

const create = async (spec: PoolSpec): Promise<Config> => {
  const given = spec.config.source ?? '';
  const source = given || spec.path;
  checkPath(source);
  if (given !== '' && !(await isDirectory(given))) throw badRequest(`Source path "${given}" doesn't exist`);
  await mkdir(spec.path, { recursive: true, mode: 0o711 });
  if (!(await isEmptyDirectory(source))) throw conflict(`Source path "${source}" isn't empty`);
  return { ...spec.config, source, ...(given === '' ? {} : { 'volatile.initial_source': given }) };
};

/**
 * The `overlay` driver: a volume is a stack of directories put together by overlayfs, so that copying an image or an instance is
 * instant on any file system that can be below overlayfs (ext4, xfs, btrfs, tmpfs).
 */
export const overlay: StorageDriver = defineStorageDriver({
  name: 'overlay',
  features: {
    optimizedImages: true,
    // Not of a volume in use: what was written to it since the last snapshot is copied.
    optimizedSnapshots: false,
    optimizedTransfer: false,
    copyOnWrite: true,
    blockBased: false,
    remote: false,
    restoreAnySnapshot: true,
    quotas: 'no',
    nesting: false,
    volumeTypes: ['container', 'image', 'custom'],
    customContent: ['filesystem'],
    buckets: false,
    loopFiles: false,
    offeredByInit: false,
  },
  poolConfig: [sourcePathKey('Existing empty directory that holds the layers; unset: the directory of the pool')],
  volumeConfig: commonVolumeConfig,

  async probe() {
    const directory = await mkdtemp(join(tmpdir(), 'overlay-'));
    const [upper, lower, target] = ['upper', 'lower', 'target'].map((name) => join(directory, name));
    try {
      for (const path of [upper, lower]) await mkdir(path ?? '');
      await using _ = await mountWritable(target ?? '', upper ?? '', [lower ?? ''], directory);
      return { version: release() };
    } catch (error) {
      throw notImplemented(`overlayfs cannot be mounted here: ${messageOf(error)}`, { cause: error });
    } finally {
      await removeTree(directory);
    }
  },

  create,

  async open(spec) {
    const source = spec.config.source ?? spec.path;
    if (!(await isDirectory(source))) throw unavailable(`The directory "${source}" of the pool is not there`);
    await mkdir(spec.path, { recursive: true, mode: 0o711 });
    return openPool(spec, source);
  },
});

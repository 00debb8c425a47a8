/** Where a `cephfs` pool lives: a file system of the cluster, and a directory in it. */
import { mkdir, mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import {
  badRequest,
  type Config,
  conflict,
  isEmptyDirectory,
  isTrue,
  type PoolSpec,
  UndoStack,
  type Work,
} from '@lxd-ts/driver-kit';
import { unmount } from '@lxd-ts/host';
import { z } from 'zod';
import { type Cluster, ceph, cephJson, checkCluster, osdPools } from '../cluster.ts';
import { mountCephfs } from './mount.ts';

export interface CephfsSource {
  readonly filesystem: string;
  /** The directory in it, from its root: `/` or `/some/where`. */
  readonly path: string;
}

export const clusterOf = ({ config }: Pick<PoolSpec, 'config'>): Cluster => ({
  name: config['cephfs.cluster_name'] || 'ceph',
  user: config['cephfs.user.name'] || 'admin',
});

const absolute = (...parts: readonly string[]): string => posix.join('/', ...parts).replace(/(?<=.)\/$/, '');

/**
 * Reads `source` (`name` or `name/path`) and `cephfs.path`.
 *
 * @throws LxdError bad-request that names the key
 */
export const parseSource = (config: Config): CephfsSource => {
  const [filesystem = '', ...rest] = (config.source ?? '').split('/');
  if (!/^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/.test(filesystem)) {
    throw badRequest(
      'Invalid value for "source": it must be the name of a CephFS file system, or NAME/PATH for a directory in it',
    );
  }
  const [inSource, path] = [absolute(...rest), absolute(config['cephfs.path'] ?? '')];
  if (inSource !== '/' && path !== '/' && inSource !== path) {
    throw badRequest(
      `Invalid value for "cephfs.path": "${path}" is not the path "${inSource}" that "source" names; set one of them`,
    );
  }
  return { filesystem, path: inSource === '/' ? path : inSource };
};

const filesystems = async (cluster: Cluster, work: Work): Promise<string[]> => {
  const list = await cephJson(cluster, ['ceph', 'fs', 'ls'], z.array(z.object({ name: z.string() })), { work });
  return list.map(({ name }) => name);
};

/** Makes the OSD pools that are missing, and the file system. */
const createFilesystem = async (
  cluster: Cluster,
  name: string,
  config: Config,
  undo: UndoStack,
  work: Work,
): Promise<void> => {
  const [metadata = '', data = ''] = ['cephfs.meta_pool', 'cephfs.data_pool'].map((key) => {
    const pool = config[key];
    if (!pool) throw badRequest(`"${key}" must be set for a CephFS file system to be made`);
    return pool;
  });
  const there = await osdPools(cluster, work);
  for (const pool of [metadata, data].filter((one) => !there.includes(one))) {
    undo.add(`delete the OSD pool ${pool}`, () =>
      ceph(cluster, ['ceph', 'osd', 'pool', 'delete', pool, pool, '--yes-i-really-really-mean-it']),
    );
    await ceph(cluster, ['ceph', 'osd', 'pool', 'create', pool, config['cephfs.osd_pg_num'] || '32'], { work });
  }
  undo.add(`remove the file system ${name}`, async () => {
    await ceph(cluster, ['ceph', 'fs', 'fail', name]);
    await ceph(cluster, ['ceph', 'fs', 'rm', name, '--yes-i-really-mean-it']);
  });
  await ceph(cluster, ['ceph', 'fs', 'new', name, metadata, data], { work });
};

/** Makes the directory, and sees that nobody else's files are in it. Returns whether the whole file system was empty. */
const prepareDirectory = async (cluster: Cluster, { filesystem, path }: CephfsSource): Promise<boolean> => {
  const directory = await mkdtemp(join(tmpdir(), 'lxd-ts-cephfs-'));
  try {
    await mountCephfs(cluster, { filesystem, path: '/' }, directory);
    try {
      const pristine = await isEmptyDirectory(directory);
      const target = join(directory, path);
      await mkdir(target, { recursive: true, mode: 0o711 });
      if (!(await isEmptyDirectory(target))) {
        throw conflict(
          `"${path}" in the CephFS file system "${filesystem}" isn't empty: only an empty path can be used`,
        );
      }
      return pristine;
    } finally {
      await unmount(directory);
    }
  } finally {
    await rmdir(directory);
  }
};

export const createCephfs = async (spec: PoolSpec, work: Work = {}): Promise<Config> => {
  const { config } = spec;
  const cluster = clusterOf(spec);
  const source = parseSource(config);
  await checkCluster(cluster, 'cephfs.cluster_name');
  await using undo = new UndoStack();
  if (!(await filesystems(cluster, work)).includes(source.filesystem)) {
    if (!isTrue(config['cephfs.create_missing'])) {
      throw badRequest(
        `Invalid value for "source": there is no CephFS file system "${source.filesystem}" (set "cephfs.create_missing" to have it made)`,
      );
    }
    await createFilesystem(cluster, source.filesystem, config, undo, work);
  }
  const pristine = await prepareDirectory(cluster, source);
  undo.commit();
  return {
    ...config,
    source: config.source ?? '',
    'cephfs.cluster_name': cluster.name,
    'cephfs.user.name': cluster.user,
    'cephfs.path': source.path,
    'volatile.pool.pristine': String(pristine),
    'volatile.initial_source': config.source ?? '',
  };
};

/** A pool of the `cephobject` driver: made, opened, deleted. It has no place on this host but an empty directory. */
import { mkdir, rmdir } from 'node:fs/promises';
import {
  badRequest,
  type Config,
  generateCredentials,
  type LxdError,
  messageOf,
  type PoolResources,
  type PoolSpec,
  type StoragePool,
} from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { z } from 'zod';
import { type Cluster, cephJson, checkCluster } from '../cluster.ts';
import { bucketPool } from './buckets.ts';
import { gatewayOf } from './gateway.ts';
import { askGateway, type Endpoint } from './s3.ts';

/** The gateway's user that says that LXD uses it. */
const ADMIN = 'lxd-admin';

const fixed = ['cephobject.cluster_name', 'cephobject.user.name', 'cephobject.bucket.name_prefix'];

const clusterOf = ({ config }: Pick<PoolSpec, 'config'>): Cluster => ({
  name: config['cephobject.cluster_name'] || 'ceph',
  user: config['cephobject.user.name'] || 'admin',
});

const endpointOf = (config: Config): Endpoint => {
  const text = config['cephobject.radosgw.endpoint'];
  if (!text) throw badRequest('"cephobject.radosgw.endpoint" is required: the URL of a radosgw');
  return { url: new URL(text), certificateFile: config['cephobject.radosgw.endpoint_cert_file'] };
};

export const createObjectPool = async (spec: PoolSpec): Promise<Config> => {
  const cluster = clusterOf(spec);
  const endpoint = endpointOf(spec.config);
  await checkCluster(cluster, 'cephobject.cluster_name');
  await askGateway(endpoint, 'GET', '/');
  const gateway = gatewayOf(cluster);
  const pristine = (await gateway.user(ADMIN)) === undefined;
  if (pristine) await gateway.createUser(ADMIN, 'LXD administrator', generateCredentials());
  return {
    ...spec.config,
    'cephobject.cluster_name': cluster.name,
    'cephobject.user.name': cluster.user,
    'volatile.pool.pristine': String(pristine),
  };
};

const spaceShape = z.object({ stats: z.object({ total_bytes: z.number(), total_used_bytes: z.number() }) });

/**
 * The space of the whole cluster: buckets have no pool of their own.
 *
 * @param signal - ends it; given, nobody waits for the answer
 */
const clusterSpace = async (cluster: Cluster, signal?: AbortSignal): Promise<PoolResources['space']> => {
  const options = signal ? { work: { signal }, background: true } : {};
  const { stats } = await cephJson(cluster, ['ceph', 'df'], spaceShape, options);
  return { used: stats.total_used_bytes, total: stats.total_bytes };
};

const bucketsOnly = (): LxdError =>
  badRequest('A Ceph Object pool holds buckets only: use another pool for instances, images and volumes');

const refuse = async (): Promise<never> => {
  throw bucketsOnly();
};

/** How long changes are gathered before the space is asked for again. */
const GATHER = 30_000;

export const openObjectPool = async (spec: PoolSpec): Promise<StoragePool> => {
  const { path: root } = spec;
  let config = spec.config;
  const cluster = clusterOf(spec);
  const gateway = gatewayOf(cluster);
  const end = new AbortController();
  let space = await clusterSpace(cluster);
  let gathering: NodeJS.Timeout | undefined;
  let asking: Promise<void> = Promise.resolve();
  await mkdir(root, { recursive: true, mode: 0o711 });

  const refresh = async (): Promise<void> => {
    gathering = undefined;
    try {
      space = await clusterSpace(cluster, end.signal);
    } catch (error) {
      if (!end.signal.aborted)
        process.emitWarning(`The space of pool "${spec.name}" is not known: ${messageOf(error)}`);
    }
  };
  const changed = (): void => {
    if (end.signal.aborted) return;
    gathering ??= setTimeout(() => {
      asking = refresh();
    }, GATHER).unref();
  };
  const close = async (): Promise<void> => {
    clearTimeout(gathering);
    end.abort(new Error('The pool was closed'));
    await asking;
  };

  return {
    name: spec.name,
    path: root,

    get buckets() {
      return bucketPool(gateway, endpointOf(config), config['cephobject.bucket.name_prefix'] ?? '', changed);
    },

    resources: async () => ({ space, inodes: { used: 0, total: 0 } }),

    async update(next, keys) {
      const refused = keys.find((key) => fixed.includes(key));
      if (refused !== undefined) throw badRequest(`"${refused}" of a storage pool cannot be changed`);
      await askGateway(endpointOf(next), 'GET', '/');
      config = next;
    },

    async delete() {
      await close();
      if (config['volatile.pool.pristine'] === 'true') await gateway.removeUser(ADMIN);
      try {
        await rmdir(root);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    },

    hasVolume: async () => false,
    listVolumes: async () => [],
    deleteVolume: async () => undefined,
    deleteSnapshot: async () => undefined,
    usage: async () => undefined,
    createVolume: refuse,
    copyVolume: refuse,
    renameVolume: refuse,
    resizeVolume: refuse,
    mountVolume: refuse,
    createSnapshot: refuse,
    renameSnapshot: refuse,
    restoreVolume: refuse,

    [Symbol.asyncDispose]: close,
  };
};

/** The OSD pool in which a storage pool lives: made or taken, marked, and deleted. */
import {
  badRequest,
  type Config,
  conflict,
  isTrue,
  messageOf,
  type PoolSpec,
  preconditionFailed,
  UndoStack,
  type Work,
} from '@lxd-ts/driver-kit';
import { type Cluster, ceph, checkCluster, osdPools } from '../cluster.ts';
import { imagesOf } from './images.ts';
import { placeholder } from './names.ts';

/** Where the placeholder says that the OSD pool was made by LXD, and may be deleted with its storage pool. */
const MADE = 'lxd.made_pool';

export const clusterOf = ({ config }: Pick<PoolSpec, 'config'>): Cluster => ({
  name: config['ceph.cluster_name'] || 'ceph',
  user: config['ceph.user.name'] || 'admin',
});

export const osdPoolOf = ({ config, name }: Pick<PoolSpec, 'config' | 'name'>): string =>
  config['ceph.osd.pool_name'] || config.source || name;

/** Settings of new images. */
export const imageSettings = (config: Config): { features: readonly string[]; dataPool: string | undefined } => ({
  features: (config['ceph.rbd.features'] || 'layering').split(',').map((feature) => feature.trim()),
  dataPool: config['ceph.osd.data_pool_name'] || undefined,
});

/** Images of an OSD pool without what an open pool has. */
const imagesIn = (spec: Pick<PoolSpec, 'config'>, osdPool: string) =>
  imagesOf({ cluster: clusterOf(spec), osdPool, config: () => imageSettings(spec.config), guard: [] });

export const createOsdPool = async (spec: PoolSpec, work: Work = {}): Promise<Config> => {
  const { config } = spec;
  const cluster = clusterOf(spec);
  const osdPool = osdPoolOf(spec);
  await checkCluster(cluster, 'ceph.cluster_name');
  if (config.source && config['ceph.osd.pool_name'] && config.source !== config['ceph.osd.pool_name']) {
    throw badRequest('Invalid value for "ceph.osd.pool_name": it must be the same as "source" when both are set');
  }
  const there = await osdPools(cluster, work);
  const dataPool = config['ceph.osd.data_pool_name'];
  if (dataPool && !there.includes(dataPool)) {
    throw badRequest(`Invalid value for "ceph.osd.data_pool_name": there is no OSD pool "${dataPool}"`);
  }
  if (config.source && !there.includes(osdPool)) {
    throw badRequest(
      `Invalid value for "source": there is no OSD pool "${osdPool}" (leave it unset, or set "ceph.osd.pool_name", to have one made)`,
    );
  }
  const pgNum = config['ceph.osd.pg_num'] || '32';
  const made = !there.includes(osdPool);
  const images = imagesIn(spec, osdPool);
  await using undo = new UndoStack();
  if (made) {
    undo.add(`delete the OSD pool ${osdPool}`, () => deleteAll(cluster, osdPool));
    await ceph(cluster, ['ceph', 'osd', 'pool', 'create', osdPool, pgNum], { work });
    await ceph(cluster, ['rbd', 'pool', 'init', osdPool], { work });
  }
  const before = made ? [] : await images.list(work);
  const mark = placeholder(osdPool);
  if (before.some(({ image }) => image === mark)) {
    if (!isTrue(config['ceph.osd.force_reuse'])) {
      throw conflict(
        `The OSD pool "${osdPool}" is in use by another LXD installation, or was (set "ceph.osd.force_reuse" to use it all the same)`,
      );
    }
  } else {
    undo.add(`remove ${mark}`, () => images.remove(mark));
    await images.create(mark, 0, work);
    if (made) await images.setMetadata(mark, MADE, 'true');
  }
  undo.commit();
  return {
    ...config,
    source: osdPool,
    'ceph.cluster_name': cluster.name,
    'ceph.user.name': cluster.user,
    'ceph.osd.pool_name': osdPool,
    'ceph.osd.pg_num': pgNum,
    'volatile.pool.pristine': String(before.length === 0),
    ...(config.source ? { 'volatile.initial_source': config.source } : {}),
  };
};

const deleteAll = (cluster: Cluster, osdPool: string): Promise<unknown> =>
  ceph(cluster, ['ceph', 'osd', 'pool', 'delete', osdPool, osdPool, '--yes-i-really-really-mean-it']);

/**
 * Deletes the OSD pool if it was made for the storage pool; one that was there before is left, without the mark.
 *
 * @throws LxdError precondition-failed when the monitors do not allow it
 */
export const deleteOsdPool = async (spec: PoolSpec): Promise<void> => {
  const cluster = clusterOf(spec);
  const osdPool = osdPoolOf(spec);
  if (!(await osdPools(cluster)).includes(osdPool)) return;
  const images = imagesIn(spec, osdPool);
  const mark = placeholder(osdPool);
  if ((await images.getMetadata(mark, MADE)) !== 'true') {
    await images.remove(mark);
    return;
  }
  try {
    await deleteAll(cluster, osdPool);
  } catch (error) {
    if (!/mon_allow_pool_delete/.test(messageOf(error))) throw error;
    throw preconditionFailed(
      `The OSD pool "${osdPool}" cannot be deleted before "ceph config set mon mon_allow_pool_delete true": ${messageOf(error)}`,
      { cause: error },
    );
  }
};

/** Sets the number of placement groups. */
export const setPlacementGroups = (spec: PoolSpec, pgNum: string): Promise<unknown> =>
  ceph(clusterOf(spec), ['ceph', 'osd', 'pool', 'set', osdPoolOf(spec), 'pg_num', pgNum]);

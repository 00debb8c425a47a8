/** A Ceph cluster that an LXD in a network of its own reaches; only in the lab VM. */
import { clusterAddress, startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beside } from './instance.ts';
import type { Lxd } from './lxd.ts';
import { succeed } from './output.ts';

/** The LXD's address on its way to the cluster; TEST-NET-2 of RFC 5737, as the cluster's own. */
const callerAddress = '198.51.100.2';

/** Starts the machine's cluster, unless it runs, and leads a way to it from the LXD's network. */
export const startCephFor = async (lxd: Lxd): Promise<void> => {
  await startCluster();
  const [here, there] = [`${lxd.scratch.prefix}c`, `${lxd.scratch.prefix}d`];
  const links = await beside(lxd, 'ip', '-brief', 'link');
  if (links.includes(here)) return;
  await beside(lxd, 'ip', 'link', 'add', here, 'type', 'veth', 'peer', 'name', there);
  await beside(lxd, 'ip', 'link', 'set', there, 'netns', '1');
  await beside(lxd, 'ip', 'address', 'add', `${callerAddress}/32`, 'dev', here);
  await beside(lxd, 'ip', 'link', 'set', here, 'up');
  await beside(lxd, 'ip', 'route', 'add', clusterAddress, 'dev', here);
  await succeed(['ip', 'link', 'set', there, 'up']);
  await succeed(['ip', 'route', 'replace', callerAddress, 'dev', there]);
};

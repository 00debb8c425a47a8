/** Two servers with a network between them. */
import { join } from 'node:path';
import { beside } from './instance.ts';
import { type Lxd, type Programs, startLxd } from './lxd.ts';

/** Starts a server with a small `dir` pool `plain` and a `btrfs` pool `tree`, that listens; its trust password is `secret`. */
export const startListening = async (programs: Programs): Promise<Lxd> => {
  const lxd = await startLxd(programs);
  await lxd.api('PATCH', '/1.0', { config: { 'core.https_address': ':8443', 'core.trust_password': 'secret' } });
  await lxd.api('POST', '/1.0/storage-pools', { name: 'plain', driver: 'dir' });
  await lxd.api('POST', '/1.0/storage-pools', { name: 'tree', driver: 'btrfs', config: { size: '256MiB' } });
  const root = { type: 'disk', path: '/', pool: 'plain' };
  await lxd.api('PUT', '/1.0/profiles/default', { config: {}, description: '', devices: { root } });
  return lxd;
};

/** The address of the second of two servers that `link` joins. */
export const farAddress = '192.0.2.2';

/** Joins the networks of two servers; TEST-NET-1 of RFC 5737. */
export const link = async (near: Lxd, far: Lxd): Promise<void> => {
  const [here, there] = [`${near.scratch.prefix}v`, `${far.scratch.prefix}v`];
  await beside(near, 'ip', 'link', 'add', here, 'type', 'veth', 'peer', 'name', there);
  await beside(near, 'ip', 'link', 'set', there, 'netns', String(far.namespace.pid));
  await beside(near, 'ip', 'address', 'add', '192.0.2.1/24', 'dev', here);
  await beside(far, 'ip', 'address', 'add', `${farAddress}/24`, 'dev', there);
  await beside(near, 'ip', 'link', 'set', here, 'up');
  await beside(far, 'ip', 'link', 'set', there, 'up');
};

/** Whether a subvolume (its path below the pool `tree`) came in the format of Btrfs, not file by file. */
export const wasReceived = async (lxd: Lxd, path: string): Promise<boolean> =>
  /Received UUID:\s+[0-9a-f]{8}-/.test(
    await beside(lxd, 'btrfs', 'subvolume', 'show', join(lxd.folder, 'storage-pools/tree', path)),
  );

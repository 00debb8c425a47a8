/** Sockets on either side of a forwarder: in the host's namespaces or in the instance's. */
import { closeSync, constants } from 'node:fs';
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { basename, dirname } from 'node:path/posix';
import {
  connectSocket,
  inNetNamespace,
  isErrno,
  openListeningSocket,
  openProcessRoot,
  openRoot,
  type Root,
  type SocketAddress,
  withEffectiveIds,
  withFsIds,
} from '@lxd-ts/host';
import { isWildcard, type Place } from './endpoint.ts';
import type { Ids } from './job.ts';

// open(2): only a place in the tree, nothing is opened for real.
const O_PATH = 0o10000000;

/** One side of a forwarder. */
export interface Side {
  /** The instance's init; unset: the host. */
  readonly initPid?: number;
  /** Who may make files there: the ids of its root. */
  readonly root: Ids;
}

const rootOf = ({ initPid }: Side): Root => (initPid === undefined ? openRoot('/') : openProcessRoot(initPid));

const inSide = <T>({ initPid }: Side, action: () => T extends PromiseLike<unknown> ? never : T): T =>
  initPid === undefined ? action() : inNetNamespace<T>(initPid, action);

/** Root of its side may use every file there. */
const isRoot = ({ root }: Side, { uid }: Ids): boolean => uid === root.uid;

const isPath = (place: Place): place is Extract<Place, { protocol: 'unix' }> =>
  place.protocol === 'unix' && !place.path.startsWith('@');

/** The first address of this network that others can reach; without one, the loopback's. */
const ownAddress = (ipv6: boolean): string => {
  const addresses = Object.values(networkInterfaces()).flatMap((link) => link ?? []);
  const own = addresses.find(
    (one) => !one.internal && one.family === (ipv6 ? 'IPv6' : 'IPv4') && !one.address.startsWith('fe80:'),
  );
  return own?.address ?? (ipv6 ? '::1' : '127.0.0.1');
};

/** Where to connect in fact: for a wildcard, the instance's own address as it is now. */
export const resolvePlace = <P extends Place>(side: Side, place: P): P => {
  if (place.protocol === 'unix' || !isWildcard(place.host)) return place;
  return { ...place, host: inSide(side, () => ownAddress(place.host.includes(':'))) };
};

/** Says whether anybody listens behind a Unix socket in the file system. */
const isDead = async (path: string): Promise<boolean> => {
  try {
    (await connectSocket({ protocol: 'unix', path })).destroy();
    return false;
  } catch (error) {
    if (isErrno(error, 'ECONNREFUSED')) return true;
    throw error;
  }
};

const bindPath = (root: Root, path: string, creator: Ids): number => {
  const parent = root.openFd(dirname(path), O_PATH | constants.O_DIRECTORY);
  try {
    return withFsIds(creator.uid, creator.gid, () =>
      openListeningSocket({ protocol: 'unix', path: `/proc/self/fd/${parent}/${basename(path)}` }),
    );
  } finally {
    closeSync(parent);
  }
};

/** Removes a socket that a forwarder before this one left. @throws EADDRINUSE when it is in use or no socket */
const removeDead = async (root: Root, path: string, inUse: unknown): Promise<void> => {
  const fd = root.openFd(path, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!root.lstat(path).isSocket() || !(await isDead(`/proc/self/fd/${fd}`))) throw inUse;
    root.unlink(path);
  } finally {
    closeSync(fd);
  }
};

/**
 * Opens a listening socket, with paths resolved inside the side's root. A dead Unix socket in the way is replaced.
 *
 * @param socket - owner and permissions of a Unix socket in the file system
 * @returns its descriptor
 */
export const listenAt = async (side: Side, place: Place, socket: Ids & { mode: number }): Promise<number> => {
  if (!isPath(place)) {
    return openListeningSocket(place, side.initPid === undefined ? {} : { namespace: side.initPid });
  }
  using root = rootOf(side);
  const bind = (): number => bindPath(root, place.path, side.root);
  let fd: number;
  try {
    fd = bind();
  } catch (error) {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    await removeDead(root, place.path, error);
    fd = bind();
  }
  root.chown(place.path, socket.uid, socket.gid);
  root.chmod(place.path, socket.mode);
  return fd;
};

/** Takes away what `listenAt` made in the file system. */
export const removeSocket = (side: Side, place: Place): void => {
  if (!isPath(place)) return;
  try {
    using root = rootOf(side);
    root.unlink(place.path);
  } catch (error) {
    // The instance may be gone, with its files out of reach: the next forwarder replaces the socket.
    if (!isErrno(error)) throw error;
  }
};

/** Connects under the given ids, with paths resolved inside the side's root. */
export const connectTo = async (side: Side, place: Place, ids: Ids): Promise<Socket> => {
  const connect = (address: SocketAddress): Promise<Socket> => {
    // The call to connect(2) is made before the first await: in the namespace and under the ids.
    const box = inSide(side, () => ({
      socket: withEffectiveIds({ ...ids, capabilities: isRoot(side, ids) }, () => connectSocket(address)),
    }));
    return box.socket;
  };
  if (!isPath(place)) return connect(resolvePlace(side, place));
  using root = rootOf(side);
  const fd = root.openFd(place.path, O_PATH);
  try {
    return await connect({ protocol: 'unix', path: `/proc/self/fd/${fd}` });
  } finally {
    closeSync(fd);
  }
};

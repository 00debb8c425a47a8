import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '@lxd-ts/host';

/** The data directory and what stands where in it, as LXD lays it out (spec 01.34). */
export interface Directories {
  readonly root: string;
  readonly database: string;
  readonly pools: string;
  readonly disks: string;
  readonly images: string;
  readonly backups: string;
  readonly networks: string;
  readonly devices: string;
  readonly devlxd: string;
  readonly logs: string;
  readonly plugins: string;
  /** The local API socket. */
  readonly socket: string;
}

/** @param root - absolute; default `LXD_DIR`, else `/var/lib/lxd` */
export const directoriesOf = (root: string = process.env['LXD_DIR'] ?? '/var/lib/lxd'): Directories => ({
  root,
  database: join(root, 'database'),
  pools: join(root, 'storage-pools'),
  disks: join(root, 'disks'),
  images: join(root, 'images'),
  backups: join(root, 'backups'),
  networks: join(root, 'networks'),
  devices: join(root, 'devices'),
  devlxd: join(root, 'devlxd'),
  logs: join(root, 'logs'),
  plugins: join(root, 'plugins'),
  socket: join(root, 'unix.socket'),
});

const isLink = async (path: string): Promise<boolean> => {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
};

/** Makes the directories that are missing. Those that hold users' data are for root alone. */
export const createDirectories = async (directories: Directories): Promise<void> => {
  const { root, socket: _socket, ...rest } = directories;
  await mkdir(root, { recursive: true, mode: 0o711 });
  // A container's root must be able to pass through these on its way to what is its own.
  const open = new Set([rest.pools, rest.devlxd, rest.devices, rest.networks, rest.logs]);
  for (const path of Object.values(rest)) {
    // The data of some directories can be kept on a volume, to which a symlink leads that is mounted later.
    if (!(await isLink(path))) await mkdir(path, { recursive: true, mode: open.has(path) ? 0o711 : 0o700 });
  }
  // Guests list this one: it is their /dev/lxd.
  await chmod(rest.devlxd, 0o755);
};

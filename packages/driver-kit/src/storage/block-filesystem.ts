/** File systems on the block devices of volumes: made, mounted, made larger and smaller, told apart. */
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  type Argv,
  CommandError,
  isErrno,
  type Mount,
  mount,
  mountsBelow,
  type RunOptions,
  type RunResult,
  run,
  unmount,
} from '@lxd-ts/host';
import type { Config, ConfigKey } from '../config.ts';
import { badRequest, conflict, internal, type LxdError, messageOf } from '../errors.ts';
import type { Work } from '../work.ts';
import { deviceInUse } from './block-device.ts';
import { dieWithUs } from './die-with-us.ts';
import { type BlockFilesystem, blockFilesystems, readSuperblock, type Superblock } from './superblock.ts';

/** Keys of volumes that are block devices with a file system on them. */
export const blockFilesystemConfig: readonly ConfigKey[] = [
  {
    key: 'block.filesystem',
    type: 'string',
    default: 'ext4',
    values: blockFilesystems,
    condition: 'block-based volume with content type "filesystem"',
    description: 'File system of the storage volume: btrfs, ext4 or xfs (ext4 if not set)',
  },
  {
    key: 'block.mount_options',
    type: 'string',
    default: 'discard',
    condition: 'block-based volume with content type "filesystem"',
    description: 'Mount options for block-backed file system volumes',
  },
];

const packages: Readonly<Record<BlockFilesystem, string>> = {
  btrfs: 'btrfs-progs',
  ext4: 'e2fsprogs',
  xfs: 'xfsprogs',
};

/** The smallest device, in bytes, that a file system's mkfs accepts. */
export const minimumFilesystemSize: Readonly<Record<BlockFilesystem, number>> = {
  btrfs: 109 * 1024 ** 2,
  ext4: 1024 ** 2,
  xfs: 300 * 1024 ** 2,
};

/** The file system that a volume is configured to have. */
export const configuredFilesystem = ({ 'block.filesystem': name = '' }: Config): BlockFilesystem => {
  const kind = name === '' ? 'ext4' : blockFilesystems.find((one) => one === name);
  if (kind) return kind;
  throw badRequest(`Invalid value for "block.filesystem": "${name}" is not one of ${blockFilesystems.join(', ')}`);
};

/** Runs a program that changes what is there: it goes on to its end when this process does not. */
const program = (kind: BlockFilesystem, argv: Argv, options: RunOptions = {}): Promise<RunResult> =>
  run(argv, { debianPackage: packages[kind], ...options });

/** Runs a program on a new device, which is removed when this process ends before it. */
const making = (kind: BlockFilesystem, argv: Argv, options: RunOptions = {}): Promise<RunResult> =>
  program(kind, [...dieWithUs, ...argv], options);

/**
 * Makes a file system on a device, whatever it held.
 *
 * @param options.size - the size of the device, to refuse what is too small with a sentence
 * @param options.zeroed - the device reads as zeros (thin, not written yet): nothing is zeroed, and no space taken for it
 * @throws LxdError bad-request when the device is too small for the kind
 */
export const makeFilesystem = async (
  device: string,
  kind: BlockFilesystem,
  options: { readonly size: number; readonly zeroed?: boolean } & Work,
): Promise<void> => {
  if (options.size < minimumFilesystemSize[kind]) {
    throw badRequest(
      `Invalid value for "size": ${options.size} bytes are too few for ${kind}, which needs ${minimumFilesystemSize[kind]}`,
    );
  }
  const signal = options.signal ? { signal: options.signal } : {};
  if (kind === 'xfs') await making(kind, ['mkfs.xfs', '-q', '-f', '-K', device], signal);
  else if (kind === 'btrfs') await making(kind, ['mkfs.btrfs', '-q', '-f', '-K', device], signal);
  else {
    // The seed lets a copy get a UUID of its own at once.
    const mkfs = (...extended: string[]): Promise<RunResult> =>
      making(kind, ['mkfs.ext4', '-q', '-F', '-O', 'metadata_csum_seed', '-E', extended.join(), device], signal);
    try {
      await mkfs('nodiscard', ...(options.zeroed ? ['assume_storage_prezeroed=1'] : []));
    } catch (error) {
      // e2fsprogs before 1.47 does not know it.
      if (!options.zeroed || !/assume_storage_prezeroed/.test(messageOf(error))) throw error;
      await mkfs('nodiscard');
    }
  }
};

/** The super block of a device that must have one. */
const superblockOf = async (device: string): Promise<Superblock> => {
  const superblock = await readSuperblock(device);
  if (!superblock)
    throw internal(`There is no file system of a volume (${blockFilesystems.join(', ')}) on "${device}"`);
  return superblock;
};

/** What a file system needs to be mounted besides what the volume's configuration says. */
const extraOptions: Readonly<Record<BlockFilesystem, { always: string; readOnly: string }>> = {
  // The log of a snapshot that was taken while mounted cannot be replayed on a device that is not written to.
  btrfs: { always: '', readOnly: 'rescue=nologreplay' },
  ext4: { always: '', readOnly: 'noload' },
  // Volumes that another server has copied share their UUID.
  xfs: { always: 'nouuid', readOnly: 'norecovery' },
};

/**
 * Mounts the file system that is on a device, which need not be the one configured: a copy keeps that of its source.
 *
 * @param options.mountOptions - `block.mount_options`; `discard` when unset or empty
 * @param options.readOnly - for snapshots: nothing is written to the device, not even by the journal
 */
export const mountFilesystem = async (
  device: string,
  target: string,
  options: { readonly mountOptions?: string | undefined; readonly readOnly?: boolean } = {},
): Promise<Mount> => {
  const { kind } = await superblockOf(device);
  const own = extraOptions[kind];
  const all = [options.mountOptions || 'discard', own.always, ...(options.readOnly ? ['ro', own.readOnly] : [])];
  const attempt = (): Promise<Mount> =>
    mount(device, target, { type: kind, options: all.filter((one) => one !== '').join() });
  try {
    return await attempt();
  } catch (error) {
    if (kind === 'btrfs' && isErrno(error, 'EEXIST') && !options.readOnly) {
      // The kernel knows a newer state of this file system, be it on a device that is gone: this one went back in time.
      await newFilesystemUuid(device);
      return attempt();
    }
    if (!isErrno(error, 'EINVAL') || !options.mountOptions) throw error;
    throw badRequest(
      `"${device}" cannot be mounted with "block.mount_options" "${options.mountOptions}", which ${kind} does not take`,
      { cause: error },
    );
  }
};

const temporaryPrefix = 'lxd-ts-mount-';

/** Unmounts what a killed process left mounted by `withFilesystem`, of those devices that are the caller's. */
export const unmountForgotten = async (isOwn: (device: string) => boolean): Promise<void> => {
  for (const { target, source } of mountsBelow(tmpdir())) {
    if (!target.startsWith(join(tmpdir(), temporaryPrefix)) || !isOwn(source)) continue;
    await unmount(target);
    await rmdir(target);
  }
};

/** Mounts a device at a directory of its own while a function runs. */
export const withFilesystem = async <T>(
  device: string,
  use: (path: string) => Promise<T>,
  options: { readonly readOnly?: boolean } = {},
): Promise<T> => {
  const directory = await mkdtemp(join(tmpdir(), temporaryPrefix));
  try {
    await using mounted = await mountFilesystem(device, directory, options);
    return await use(mounted.target);
  } finally {
    await rmdir(directory);
  }
};

/** ext4's own directory: made by mkfs and by each full check; not there it is made when one is needed. */
export const removeLostAndFound = async (path: string): Promise<void> => {
  try {
    await rmdir(join(path, 'lost+found'));
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
};

/** Checks an ext4 that is not mounted, which the tools ask for. Exit status 1: something was mended. */
const checkExt4 = async (device: string): Promise<void> => {
  try {
    await program('ext4', ['e2fsck', '-f', '-y', device]);
  } catch (error) {
    if (!(error instanceof CommandError && error.exitCode === 1)) throw error;
  }
};

/** @param size - in bytes; undefined: that of the device */
const resizeUnmountedExt4 = async (device: string, size?: number): Promise<void> => {
  await checkExt4(device);
  try {
    await program('ext4', ['resize2fs', device, ...(size === undefined ? [] : [`${Math.floor(size / 1024)}K`])]);
  } finally {
    await withFilesystem(device, removeLostAndFound);
  }
};

/**
 * Makes the file system as large as its device, which has grown.
 *
 * @param mountedAt - where it is mounted; undefined: it is mounted for a moment
 */
export const growFilesystem = async (device: string, mountedAt?: string): Promise<void> => {
  const { kind } = await superblockOf(device);
  if (mountedAt === undefined) {
    try {
      return await withFilesystem(device, (path) => growFilesystem(device, path));
    } catch (error) {
      // ext4 wants CAP_SYS_RESOURCE to grow while mounted, and nothing but a check to grow otherwise.
      if (kind !== 'ext4' || !/Permission denied to resize/.test(messageOf(error))) throw error;
      return resizeUnmountedExt4(device);
    }
  }
  if (kind === 'ext4') await program(kind, ['resize2fs', device]);
  else if (kind === 'xfs') await program(kind, ['xfs_growfs', mountedAt]);
  else await program(kind, ['btrfs', '--quiet', 'filesystem', 'resize', 'max', mountedAt]);
};

/** Whether a device is in use for longer than a container takes to start, which has a copy of all mounts meanwhile. */
const staysInUse = async (device: string): Promise<boolean> => {
  for (const end = Date.now() + 2000; Date.now() < end; await setTimeout(50)) {
    if (!(await deviceInUse(device))) return false;
  }
  return true;
};

const tooSmall = (size: number, cause: unknown): LxdError =>
  badRequest(`The file system cannot shrink to ${size} bytes: what is in it takes more`, { cause });

/** btrfs refuses to become smaller than this (linux, fs/btrfs: BTRFS_IOC_RESIZE). */
const smallestBtrfs = 256 * 1024 ** 2;

/**
 * Makes the file system smaller, before its device shrinks.
 *
 * @param options.mountedAt - where it is mounted, if it is
 * @throws LxdError bad-request when what is in it takes more, or the kind cannot shrink (xfs); conflict when it must not be
 *   mounted for it (ext4)
 */
export const shrinkFilesystem = async (
  device: string,
  size: number,
  options: { readonly mountedAt?: string | undefined } = {},
): Promise<void> => {
  const { kind } = await superblockOf(device);
  const { mountedAt } = options;
  if (kind === 'xfs') throw badRequest('An xfs file system cannot be shrunk');
  if (kind === 'btrfs') {
    if (mountedAt === undefined) {
      return withFilesystem(device, (path) => shrinkFilesystem(device, size, { mountedAt: path }));
    }
    if (size < smallestBtrfs) throw badRequest(`A btrfs file system cannot shrink below ${smallestBtrfs} bytes`);
    try {
      await program(kind, [
        'btrfs',
        '--quiet',
        'filesystem',
        'resize',
        String(Math.floor(size / 4096) * 4096),
        mountedAt,
      ]);
    } catch (error) {
      throw /No space left/.test(messageOf(error)) ? tooSmall(size, error) : error;
    }
    return;
  }
  if (mountedAt !== undefined || (await staysInUse(device))) {
    throw conflict('An ext4 file system can be shrunk only while nobody uses it');
  }
  try {
    await resizeUnmountedExt4(device, size);
  } catch (error) {
    const refused = /New size smaller than minimum|Not enough space to build proposed filesystem/;
    throw refused.test(messageOf(error)) ? tooSmall(size, error) : error;
  }
};

/**
 * Gives the file system on a device that is a copy of another a UUID of its own, so that both can be mounted. It is not mounted;
 * the copy was taken while the source was not written to (device-mapper and rbd freeze what is mounted).
 */
export const newFilesystemUuid = async (device: string): Promise<void> => {
  const { kind, seeded } = await superblockOf(device);
  if (kind === 'ext4') {
    // Without the seed all checksums depend on the UUID, and tune2fs rewrites them after a check.
    if (!seeded) await checkExt4(device);
    await making(kind, ['tune2fs', '-U', 'random', device]);
    if (!seeded) await withFilesystem(device, removeLostAndFound);
  } else if (kind === 'btrfs') await making(kind, ['btrfstune', '-f', '-m', device]);
  else {
    // A frozen xfs has an entry in its log, which xfs_admin wants replayed.
    await withFilesystem(device, async () => undefined);
    await making(kind, ['xfs_admin', '-U', 'generate', device]);
  }
};

/** Files as block devices (loop(4)). */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { isErrno } from './errno.ts';
import { ioctl, ioctlNumber } from './syscalls.ts';

// linux/loop.h
const LOOP_SET_FD = 0x4c00;
const LOOP_CLR_FD = 0x4c01;
const LOOP_SET_STATUS64 = 0x4c04;
const LOOP_GET_STATUS64 = 0x4c05;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_SET_DIRECT_IO = 0x4c08;
const LOOP_CTL_GET_FREE = 0x4c82;
const INFO_SIZE = 232;
const INFO_FLAGS = 52;
const INFO_FILE_NAME = 56;
const LO_NAME_SIZE = 64;
const LO_FLAGS_AUTOCLEAR = 4;

export interface LoopDevice {
  /** `/dev/loop3` */
  path: string;
  backingFile: string;
  readOnly: boolean;
  autoclear: boolean;
  directIo: boolean;
}

/** An attached loop device. Disposing of it detaches it, or with autoclear leaves that to its last user (a mount). */
export interface AttachedLoop extends AsyncDisposable {
  readonly path: string;
}

export interface LoopOptions {
  readOnly?: boolean;
  /** The kernel detaches the device when nobody has it open or mounted any more. */
  autoclear?: boolean;
  /** Goes past the page cache of the backing file; slower for most uses, and not every file system can do it. */
  directIo?: boolean;
}

/**
 * Makes a file of the given size in bytes that takes no space until written to. Its mode is 0600.
 * @throws EEXIST when it is there already; ENOSPC, EFBIG when the file system refuses the size (no file is left then)
 */
export async function createSparseFile(path: string, size: number): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(size);
  } catch (error) {
    await unlink(path);
    throw error;
  }
}

async function withFd<T>(path: string, flags: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, flags);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

// These calls wait for the block layer, 10 ms and more: on threads of their own.
async function configure(fd: number, file: string, { autoclear, directIo }: LoopOptions): Promise<void> {
  const info = Buffer.alloc(INFO_SIZE);
  info.writeUInt32LE(autoclear ? LO_FLAGS_AUTOCLEAR : 0, INFO_FLAGS);
  Buffer.from(file).copy(info, INFO_FILE_NAME, 0, LO_NAME_SIZE - 1);
  await ioctl.async(fd, LOOP_SET_STATUS64, info);
  if (directIo) await ioctlNumber.async(fd, LOOP_SET_DIRECT_IO, 1);
}

/** Tries the free device the kernel names; undefined when somebody else was quicker. */
async function attachFree(file: string, backingFd: number, options: LoopOptions): Promise<AttachedLoop | undefined> {
  const number = await withFd('/dev/loop-control', 'r+', (fd) => ioctlNumber.async(fd, LOOP_CTL_GET_FREE, 0));
  const path = `/dev/loop${number}`;
  const fd = openSync(path, options.readOnly ? 'r' : 'r+');
  try {
    await ioctlNumber.async(fd, LOOP_SET_FD, backingFd);
  } catch (error) {
    closeSync(fd);
    if (isErrno(error, 'EBUSY')) return undefined;
    throw error;
  }
  try {
    await configure(fd, file, options);
  } catch (error) {
    await ioctlNumber.async(fd, LOOP_CLR_FD, 0);
    closeSync(fd);
    throw error;
  }
  // With autoclear the open descriptor is what keeps the device attached until somebody else uses it.
  if (!options.autoclear) closeSync(fd);
  return {
    path,
    [Symbol.asyncDispose]: async () => (options.autoclear ? closeSync(fd) : detachLoop(path)),
  };
}

/**
 * Attaches a file to a free loop device.
 * @throws errno-coded error: ENOENT, EACCES, ENXIO; EINVAL when direct I/O is asked of a file system without it
 */
export async function attachLoop(file: string, options: LoopOptions = {}): Promise<AttachedLoop> {
  return withFd(file, options.readOnly ? 'r' : 'r+', async (backingFd) => {
    for (;;) {
      const loop = await attachFree(file, backingFd, options);
      if (loop) return loop;
    }
  });
}

/** Detaches a loop device; one that is in use is detached by its last user. One that is not attached is no error. */
export async function detachLoop(path: string): Promise<void> {
  try {
    await withFd(path, 'r', (fd) => ioctlNumber.async(fd, LOOP_CLR_FD, 0));
  } catch (error) {
    if (!isErrno(error, 'ENXIO', 'ENOENT')) throw error;
  }
}

/**
 * Takes back that a loop device goes with its last user, which `detachLoop` asks for while somebody has it open (udev, for a moment).
 *
 * @returns false when it was gone already
 */
export async function keepLoop(path: string): Promise<boolean> {
  try {
    await withFd(path, 'r', async (fd) => {
      const info = Buffer.alloc(INFO_SIZE);
      await ioctl.async(fd, LOOP_GET_STATUS64, info);
      info.writeUInt32LE(info.readUInt32LE(INFO_FLAGS) & ~LO_FLAGS_AUTOCLEAR, INFO_FLAGS);
      await ioctl.async(fd, LOOP_SET_STATUS64, info);
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'ENXIO', 'ENOENT')) return false;
    throw error;
  }
}

/** Makes a loop device as large as its file is now. */
export async function resizeLoop(path: string): Promise<void> {
  await withFd(path, 'r', (fd) => ioctlNumber.async(fd, LOOP_SET_CAPACITY, 0));
}

function readBlock(name: string, value: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${name}/${value}`, 'utf8').trimEnd();
  } catch (error) {
    // Detached while we look.
    if (isErrno(error, 'ENOENT', 'ENXIO', 'ENODEV')) return undefined;
    throw error;
  }
}

/** The attached loop devices of this system. */
export function listLoops(): LoopDevice[] {
  return readdirSync('/sys/block')
    .filter((name) => /^loop\d+$/.test(name) && existsSync(`/sys/block/${name}/loop`))
    .flatMap((name) => {
      const backingFile = readBlock(name, 'loop/backing_file');
      if (backingFile === undefined) return [];
      return [
        {
          path: `/dev/${name}`,
          backingFile,
          readOnly: readBlock(name, 'ro') === '1',
          autoclear: readBlock(name, 'loop/autoclear') === '1',
          directIo: readBlock(name, 'loop/dio') === '1',
        },
      ];
    });
}

/** The loop devices that a file is attached to. */
export function findLoops(file: string): LoopDevice[] {
  const path = realpathSync(file);
  return listLoops().filter(({ backingFile }) => backingFile === path);
}

/**
 * The loop device that a file is attached to already, kept from going by itself until it is disposed of. Who mounts a file system
 * in a file must use that one: a second device would show what is on disk, while the first one's mount, in another mount
 * namespace perhaps, has more in memory; two that write ruin it.
 *
 * @returns undefined when the file is attached to none
 */
export function holdLoop(file: string): AttachedLoop | undefined {
  for (const { path } of findLoops(file)) {
    let fd: number;
    try {
      fd = openSync(path, 'r+');
    } catch (error) {
      if (isErrno(error, 'ENXIO', 'ENOENT')) continue;
      throw error;
    }
    // Now that it cannot go any more: is it still the same file's?
    if (findLoops(file).some((one) => one.path === path)) {
      return { path, [Symbol.asyncDispose]: async () => closeSync(fd) };
    }
    closeSync(fd);
  }
  return undefined;
}

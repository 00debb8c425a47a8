import { chownSync, closeSync, constants, fstatSync, openSync } from 'node:fs';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { notImplemented } from '@lxd-ts/driver-kit';
import { isErrno, openRoot } from '@lxd-ts/host';
import { ioctl } from './syscalls.ts';

const { O_NOCTTY, O_RDWR } = constants;
// Linux's flags that Node's constants leave out (asm-generic/fcntl.h).
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** ioctl_tty(2); the numbers of asm-generic/ioctls.h. */
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
/** Of /dev/ptmx and of the ptmx in each instance of devpts. */
const PTMX_DEVICE = 0x0502;

/** Major numbers of Unix98 terminals (Documentation/admin-guide/devices.txt). */
const SLAVE_MAJORS = { first: 136, last: 143 };

/** Whether a file is the slave end of a terminal. */
export const isTerminal = ({ rdev }: { readonly rdev: number }): boolean => {
  const major = (rdev >> 8) & 0xfff;
  return major >= SLAVE_MAJORS.first && major <= SLAVE_MAJORS.last;
};

/** A pair of terminal ends. */
export interface Terminal {
  /** The end of whoever looks at the terminal. */
  readonly master: number;
  /** The end of the command. */
  readonly slave: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Sets the size of a terminal in characters; the programs in its foreground are told. */
export const resizeTerminal = (master: number, { width, height }: Size): void => {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(height, 0);
  size.writeUInt16LE(width, 2);
  ioctl(master, TIOCSWINSZ, size);
};

/** Opens the ptmx of a container's devpts, which makes a new pair of terminal ends. */
const openMultiplexer = (initPid: number): number => {
  using root = openRoot(`/proc/${initPid}/root`);
  let place: number;
  try {
    place = root.openFd('dev/pts/ptmx', O_PATH);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw notImplemented('The container has no terminals: nothing is mounted at its /dev/pts', { cause: error });
  }
  try {
    // The container decides what stands there.
    if (fstatSync(place).rdev !== PTMX_DEVICE) {
      throw notImplemented('The container has no terminals: its /dev/pts/ptmx is something else');
    }
    return openSync(`/proc/self/fd/${place}`, O_RDWR | O_NOCTTY);
  } finally {
    closeSync(place);
  }
};

/**
 * Makes a terminal that belongs to a container: programs inside find their terminal's name in /dev/pts.
 *
 * @param initPid - of the container
 * @param owner - user id on the host
 */
export const openTerminal = (initPid: number, owner: number, size: Size): Terminal => {
  const master = openMultiplexer(initPid);
  try {
    ioctl(master, TIOCSPTLCK, Buffer.alloc(4));
    const slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    chownSync(`/proc/self/fd/${slave}`, owner, fstatSync(slave).gid);
    resizeTerminal(master, size);
    return { master, slave };
  } catch (error) {
    closeSync(master);
    throw error;
  }
};

/**
 * The master end as streams. The output ends when the last program has let go of the terminal; the descriptor is closed then.
 */
export const terminalStreams = (master: number): { input: Writable; output: Readable } => {
  const input = new ReadStream(master);
  const output = new PassThrough();
  input.pipe(output, { end: false });
  input.on('error', (error) => {
    // EIO is the kernel's way to say that the other end is closed.
    if (!isErrno(error, 'EIO')) output.destroy(error);
  });
  input.on('close', () => output.end());
  return { input, output };
};

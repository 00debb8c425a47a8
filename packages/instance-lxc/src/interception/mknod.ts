import { closeSync, fstatSync, openSync } from 'node:fs';
import { basename, dirname } from 'node:path/posix';
import { type IdMap, toContainerId } from '@lxd-ts/host';
import { asOwner } from '../as-owner.ts';
import { mknodAt } from '../syscalls.ts';
import { asDescriptor, type Caller, capability, inPlaceOf, readText } from './caller.ts';
import type { Answer, Notification } from './message.ts';

const O_PATH = 0o10000000;
const AT_FDCWD = -100;
const TYPE = 0o170000;
const CHARACTER_DEVICE = 0o020000;

/** Harmless in any hands: an overlay's whiteout, console, full, null, random, tty, urandom, zero. */
const permitted = new Set(['0:0', '5:1', '1:7', '1:3', '1:8', '5:0', '1:9', '1:5']);

/** The kernel's 32-bit form of a device number: 12 bits of major between 8 low and 12 high bits of minor. */
const deviceName = (device: number): string => {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `${major}:${minor}`;
};

/**
 * Makes a device node as its caller would, were it not in a user namespace. Other types and devices are left to the kernel.
 *
 * @param at - whether the call is mknodat(2)
 */
export const mknodCall = (caller: Caller, { args }: Notification, idmap: IdMap, at: boolean): Answer => {
  const [path, mode, device] = at ? args.slice(1) : args;
  const type = Number(mode ?? 0n) & TYPE;
  if (type !== CHARACTER_DEVICE || !permitted.has(deviceName(Number(BigInt.asUintN(32, device ?? 0n))))) {
    return 'continue';
  }
  if (!caller.has(capability.mknod)) return 'continue';
  const name = readText(caller, path ?? 0n);
  const directory = at ? asDescriptor(args[0]) : AT_FDCWD;
  inPlaceOf(caller, directory, () => {
    const parent = openSync(dirname(name), O_PATH);
    try {
      // Its powers over other users' files end where the id map ends.
      const { uid } = fstatSync(parent);
      const powerful = caller.has(capability.dacOverride) && toContainerId(idmap, 'uid', uid) !== undefined;
      const powers = [capability.mknod, ...(powerful ? [capability.dacOverride] : [])];
      const bits = Number(mode ?? 0n) & ~caller.umask;
      const own = process.umask(0);
      try {
        asOwner(caller.uid, caller.gid, () => mknodAt(parent, basename(name), bits, Number(device ?? 0n)), powers);
      } finally {
        process.umask(own);
      }
    } finally {
      closeSync(parent);
    }
  });
  return { value: 0n };
};

import { closeSync, fstatSync, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attach, cloneTree, type IdMap, toContainerId, toHostId } from '@lxd-ts/host';
import { setIdMap } from '../hot-mount.ts';
import { mountFileSystem, unmountAt } from '../syscalls.ts';
import { CallError, type Caller, capability, inPlaceOf, readText } from './caller.ts';
import type { Answer, Notification } from './message.ts';
import type { MountPolicy } from './rules.ts';

const O_PATH = 0o10000000;
const AT_FDCWD = -100;
const EPERM = 1;
const MS_NODEV = 4;
/** Remount, bind, move and the changes of propagation: no new file system. */
const OTHER_USES = 0x20 | 0x1000 | 0x2000 | 0x1e0000;
/** A mark of old in the upper half, which the kernel ignores. */
const MAGIC = 0xc0ed0000;
const MAGIC_MASK = 0xffff0000;

/** Runs a program of the container, as one of its users. @returns its exit status */
export type RunInside = (
  initPid: number,
  argv: readonly [string, ...string[]],
  uid: number,
  gid: number,
) => Promise<number>;

const flagsOf = (argument: bigint | undefined): number => {
  const flags = Number(BigInt.asUintN(32, argument ?? 0n));
  return (flags & MAGIC_MASK) >>> 0 === MAGIC ? flags & 0xffff : flags;
};

/** The source as the host can open it: a block device of the container, or just a word. */
const openSource = (source: string, idmap: IdMap): number | undefined => {
  if (!source.startsWith('/')) return undefined;
  const fd = openSync(source, O_PATH);
  const stats = fstatSync(fd);
  if (stats.isBlockDevice() && toContainerId(idmap, 'uid', stats.uid) !== undefined) return fd;
  closeSync(fd);
  throw new CallError(EPERM);
};

/** hugetlbfs belongs to the host's root unless told otherwise. */
const dataFor = (type: string, data: string, idmap: IdMap): string => {
  if (type !== 'hugetlbfs') return data;
  const owner = `uid=${toHostId(idmap, 'uid', 0)},gid=${toHostId(idmap, 'gid', 0)}`;
  return data === '' ? owner : `${owner},${data}`;
};

/** A file system that is mounted nowhere yet. @returns a descriptor */
const detachedMount = (source: string, type: string, flags: number, data: string): number => {
  const staging = mkdtempSync(join(tmpdir(), 'lxc-mount-'));
  try {
    mountFileSystem(source, staging, type, flags, data);
    try {
      return cloneTree(staging, 0);
    } finally {
      unmountAt(staging);
    }
  } finally {
    rmdirSync(staging);
  }
};

const mountForCaller = (
  caller: Caller,
  { initPid }: Notification,
  policy: MountPolicy,
  idmap: IdMap,
  what: {
    readonly source: string;
    readonly target: string;
    readonly type: string;
    readonly data: string;
    readonly flags: number;
  },
): void => {
  const { source, target, type, data, flags } = what;
  const opened: number[] = [];
  const keep = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  try {
    const [device, place] = inPlaceOf(caller, AT_FDCWD, () => [
      openSource(source, idmap),
      keep(openSync(target, O_PATH)),
    ]);
    if (device !== undefined) keep(device);
    const path = device === undefined ? source : `/proc/self/fd/${device}`;
    // Nodes on it would be the host's devices.
    const tree = keep(detachedMount(path, type, flags | MS_NODEV, dataFor(type, data, idmap)));
    if (policy.shift && type !== 'hugetlbfs') setIdMap(`/proc/self/fd/${tree}`, initPid, false);
    inPlaceOf(caller, AT_FDCWD, () => attach(tree, place));
  } finally {
    for (const fd of opened) closeSync(fd);
  }
};

/** Mounts a file system the policy names; all other uses of mount(2) are left to the kernel. */
export const mountCall = async (
  caller: Caller,
  notification: Notification,
  policy: MountPolicy,
  idmap: IdMap,
  runInside: RunInside,
): Promise<Answer> => {
  const [sourceAt = 0n, targetAt = 0n, typeAt = 0n, , dataAt = 0n] = notification.args;
  const flags = flagsOf(notification.args[3]);
  if ((flags & OTHER_USES) !== 0 || typeAt === 0n || !caller.has(capability.sysAdmin)) return 'continue';
  const type = readText(caller, typeAt);
  const program = policy.fuse[type];
  if (program === undefined && !policy.allowed.includes(type)) return 'continue';
  const source = sourceAt === 0n ? type : readText(caller, sourceAt);
  const target = readText(caller, targetAt);
  const data = dataAt === 0n ? '' : readText(caller, dataAt);
  if (program === undefined) {
    mountForCaller(caller, notification, policy, idmap, { source, target, type, data, flags });
    return { value: 0n };
  }
  const options = data === '' ? [] : ['-o', data];
  const [uid, gid] = [toContainerId(idmap, 'uid', caller.uid), toContainerId(idmap, 'gid', caller.gid)];
  if (uid === undefined || gid === undefined) return 'continue';
  const status = await runInside(notification.initPid, [program, source, target, ...options], uid, gid);
  return status === 0 ? { value: 0n } : { errno: EPERM };
};

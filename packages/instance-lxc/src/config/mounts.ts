import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  badRequest,
  isTrue,
  type Machine,
  type MountAttachment,
  messageOf,
  type NodeAttachment,
} from '@lxd-ts/driver-kit';
import { nodePath } from '../device-node.ts';
import type { LxcfsFiles } from '../lxcfs.ts';
import type { Setting } from './settings.ts';

/** Fields of an fstab(5) line are separated by blanks. */
const escapeField = (text: string): string => text.replace(/[ \t\\]/g, (c) => `\\0${c.charCodeAt(0).toString(8)}`);

/** A line of lxc.mount.entry; the target is relative to the container's root, so that it cannot leave it. */
const entry = (source: string, target: string, type: string, options: readonly string[]): Setting => [
  'lxc.mount.entry',
  [escapeField(source), escapeField(target.replace(/^\/+/, '')), type, options.join(','), '0', '0'].join(' '),
];

/** Directories of the kernel's file systems that are shown when the host has them. */
const kernelDirectories = [
  '/proc/sys/fs/binfmt_misc',
  '/sys/firmware/efi/efivars',
  '/sys/fs/fuse/connections',
  '/sys/fs/pstore',
  '/sys/kernel/config',
  '/sys/kernel/debug',
  '/sys/kernel/security',
  '/sys/kernel/tracing',
].filter((path) => existsSync(path));

/** Device nodes beyond those liblxc makes itself (null, zero, full, random, urandom, tty, console, ptmx). */
const hostNodes = ['/dev/fuse', '/dev/net/tun'];

/** The file systems every container gets. */
export const standardMounts = (machine: Machine, lxcfs: LxcfsFiles | undefined): Setting[] => {
  const nesting = isTrue(machine.config['security.nesting']);
  // In a user namespace the kernel guards /proc/sys and /sys by itself.
  const access = machine.idmap || nesting ? 'rw' : 'mixed';
  return [
    ['lxc.mount.auto', `proc:${access} sys:${access} cgroup:mixed`],
    ['lxc.autodev', '1'],
    ['lxc.pty.max', '1024'],
    ['lxc.tty.max', '0'],
    ...hostNodes.map((path) => entry(path, path, 'none', ['bind', 'create=file', 'optional'])),
    entry('mqueue', 'dev/mqueue', 'mqueue', ['rw', 'relatime', 'create=dir', 'optional']),
    ...kernelDirectories.map((path) => entry(path, path, 'none', ['rbind', 'create=dir', 'optional'])),
    // A nested container manager needs proc and sysfs without anything mounted over them to mount its own.
    ...(nesting
      ? [
          entry('proc', 'dev/.lxc/proc', 'proc', ['create=dir', 'optional']),
          entry('sys', 'dev/.lxc/sys', 'sysfs', ['create=dir', 'optional']),
        ]
      : []),
    ...(machine.devlxd ? [entry(machine.devlxd, 'dev/lxd', 'none', ['bind', 'create=dir'])] : []),
    ...(lxcfs?.files.map((path) => entry(`${lxcfs.root}/${path}`, path, 'none', ['bind', 'optional'])) ?? []),
    ...(lxcfs && nesting ? [entry(lxcfs.root, 'var/lib/lxcfs', 'none', ['bind', 'optional'])] : []),
  ];
};

/** A mount a device asks for. @throws LxdError bad-request when the source is missing */
export const attachedMount = async (attachment: MountAttachment): Promise<Setting> => {
  const { source, target, fileSystem, propagation, recursive } = attachment;
  const isFile = await stat(source).then(
    (found) => fileSystem === undefined && !found.isDirectory(),
    (error: unknown) => {
      throw badRequest(`Device "${attachment.device}": cannot use source "${source}": ${messageOf(error)}`);
    },
  );
  return entry(source, target, fileSystem ?? 'none', [
    ...(fileSystem === undefined ? [recursive ? 'rbind' : 'bind'] : []),
    ...(attachment.readonly ? ['ro'] : []),
    ...(fileSystem === undefined ? [propagation] : []),
    ...(attachment.shift ? ['idmap=container'] : []),
    ...(attachment.options ? [attachment.options] : []),
    isFile ? 'create=file' : 'create=dir',
  ]);
};

/** A device node, which the host has made in the machine's directory: a user namespace may not make its own. */
export const attachedNode = (machine: Machine, attachment: NodeAttachment): Setting =>
  entry(nodePath(machine, attachment), attachment.target, 'none', ['bind', 'create=file']);

import { chmod, chown, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, type Machine, type NodeAttachment } from '@lxd-ts/driver-kit';
import { toHostId } from '@lxd-ts/host';
import { mknod } from './syscalls.ts';

const typeBits = { char: 0o020000, block: 0o060000 } as const;

/** makedev(3) of glibc: 12 low bits of major and 20 of minor interleaved as the kernel's huge encoding has them. */
const deviceNumber = (major: number, minor: number): number =>
  // Numbers beyond 2^32 need more than JavaScript's bit operators; no device has a major above 4095.
  ((major & 0xfff) << 8) + (minor & 0xff) + (minor >> 8) * 0x100000;

/** Of the names of nodes in a machine's directory. */
export const nodePrefix = 'lxc.node.';

/** Where the host keeps the node that is shown inside. */
export const nodePath = (machine: Machine, { device, target }: NodeAttachment): string =>
  join(
    machine.devices,
    `${nodePrefix}${device}.${target.replace(/^\/+/, '').replaceAll('-', '--').replaceAll('/', '-')}`,
  );

/** An id inside as one on the host. @throws LxdError bad-request for one the instance does not have */
export const hostId = (machine: Machine, kind: 'uid' | 'gid', id: number): number => {
  const mapped = machine.idmap ? toHostId(machine.idmap, kind, id) : id;
  if (mapped === undefined) throw badRequest(`The instance has no ${kind} ${id}`);
  return mapped;
};

/** Makes a device's node on the host, owned by the instance's ids. Repeatable. */
export const makeNode = async (machine: Machine, node: NodeAttachment): Promise<string> => {
  const path = nodePath(machine, node);
  const [uid, gid] = [hostId(machine, 'uid', node.uid), hostId(machine, 'gid', node.gid)];
  await rm(path, { force: true });
  mknod(path, typeBits[node.type] | 0o600, deviceNumber(node.major, node.minor));
  await chown(path, uid, gid);
  // After the owner: chown(2) may take mode bits away, and the umask does not count here.
  await chmod(path, node.mode);
  return path;
};

export const removeNode = async (machine: Machine, node: NodeAttachment): Promise<void> => {
  await rm(nodePath(machine, node), { force: true });
};

/** The rule of the device controller that permits a node's use. */
export const nodeRule = ({ type, major, minor }: NodeAttachment): string =>
  `${type === 'char' ? 'c' : 'b'} ${major}:${minor} rwm`;

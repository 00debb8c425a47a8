/** Devices of a running container. */
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Attachment,
  badRequest,
  type Machine,
  type MountAttachment,
  messageOf,
  type NicAttachment,
  type NodeAttachment,
  notImplemented,
} from '@lxd-ts/driver-kit';
import {
  applyCgroupSettings,
  applyIp,
  cgroupLayout,
  deviceRule,
  mount,
  openProcessRoot,
  run,
  setLink,
} from '@lxd-ts/host';
import { requestDone } from './attach-client.ts';
import { payloadCgroup } from './cgroups.ts';
import { hostId, makeNode, removeNode } from './device-node.ts';
import { type Place, toolOptions } from './place.ts';

/** A running container, as far as devices are concerned. */
export interface Target {
  readonly machine: Machine;
  readonly place: Place;
  readonly initPid: number;
}

const attachNic = async ({ initPid }: Target, nic: NicAttachment): Promise<void> => {
  const { link, name, hwaddr: address, mtu } = nic;
  await applyIp([
    ...setLink(link, { up: false }),
    ...setLink(link, { ...(address ? { address } : {}), ...(mtu === undefined ? {} : { mtu }) }),
    ...setLink(link, { name, namespace: initPid }),
  ]);
  await applyIp(setLink(name, { up: true }), initPid);
};

const detachNic = async ({ initPid }: Target, { name, link }: NicAttachment): Promise<void> => {
  await applyIp([...setLink(name, { up: false }), ...setLink(name, { name: link, namespace: process.pid })], initPid);
};

/** Recursive propagation is what a recursive mount gets anyway. */
const propagations = {
  private: 'private',
  rprivate: 'private',
  shared: 'shared',
  rshared: 'shared',
  slave: 'slave',
  rslave: 'slave',
  unbindable: 'unbindable',
  runbindable: 'unbindable',
} as const;

/** @throws LxdError bad-request when what is in the way of a mount is of another kind */
const checkMountPoint = ({ initPid }: Target, device: string, target: string, directory: boolean): void => {
  using root = openProcessRoot(initPid);
  if (!root.exists(target) || root.stat(target).isDirectory() === directory) return;
  const [needed, found] = directory ? ['directory', 'file'] : ['file', 'directory'];
  throw badRequest(
    `Device "${device}": "${target}" in the instance is a ${found}, and must be a ${needed} or not there`,
  );
};

const showInside = async (
  container: Target,
  attachment: Pick<MountAttachment, 'device' | 'target' | 'readonly' | 'recursive' | 'shift' | 'propagation'>,
  source: string,
  directory: boolean,
): Promise<void> => {
  const { machine, initPid } = container;
  const { device, target, readonly, recursive, shift, propagation } = attachment;
  checkMountPoint(container, device, target, directory);
  await requestDone({
    type: 'mount',
    mount: {
      initPid,
      source,
      target,
      directory,
      readonly,
      recursive,
      propagation: propagations[propagation],
      shift: shift && machine.idmap !== undefined,
      uid: hostId(machine, 'uid', 0),
      gid: hostId(machine, 'gid', 0),
    },
  });
};

const attachMount = async (target: Target, attachment: MountAttachment): Promise<void> => {
  const { source, fileSystem, options, device } = attachment;
  if (fileSystem === undefined) {
    const found = await stat(source).catch((error: unknown) => {
      throw badRequest(`Device "${device}": cannot use source "${source}": ${messageOf(error)}`, { cause: error });
    });
    await showInside(target, attachment, source, found.isDirectory());
    return;
  }
  // Mounted on the host for a moment, to be shown inside from there.
  const staging = join(target.machine.devices, `lxc.mount.${device}`);
  await mkdir(staging, { recursive: true });
  try {
    await using mounted = await mount(source, staging, { type: fileSystem, ...(options ? { options } : {}) });
    await showInside(target, attachment, mounted.target, true);
  } finally {
    await rmdir(staging);
  }
};

/** Lets a container use a device, or no longer. In a user namespace its nodes are all it can reach. */
const permit = async ({ machine, place }: Target, verb: 'allow' | 'deny', node: NodeAttachment): Promise<void> => {
  if (machine.idmap) return;
  const settings = deviceRule(verb, {
    type: node.type === 'char' ? 'c' : 'b',
    major: node.major,
    minor: node.minor,
    access: 'rwm',
  });
  if (cgroupLayout().controllers.get('devices')?.version === 1) {
    applyCgroupSettings(payloadCgroup(place), settings);
    return;
  }
  // Version 2 has a program in the kernel for it, which only the monitor can change.
  for (const { file, value } of settings) {
    await run(['lxc-cgroup', ...toolOptions(place), file, value], { debianPackage: 'lxc' });
  }
};

const attachNode = async (target: Target, node: NodeAttachment): Promise<void> => {
  const source = await makeNode(target.machine, node);
  await permit(target, 'allow', node);
  const how = { ...node, readonly: false, recursive: false, shift: false, propagation: 'private' } as const;
  await showInside(target, how, source, false);
};

const detachNode = async (target: Target, node: NodeAttachment): Promise<void> => {
  await requestDone({ type: 'unmount', initPid: target.initPid, target: node.target });
  await permit(target, 'deny', node);
  await removeNode(target.machine, node);
  removeMountPoint(target, node.target);
};

/** Takes away the empty file that a node was mounted on. */
const removeMountPoint = ({ initPid }: Target, path: string): void => {
  using root = openProcessRoot(initPid);
  if (!root.exists(path)) return;
  const stats = root.lstat(path);
  if (stats.isFile() && stats.size === 0) root.unlink(path);
};

/** Adds a device to a running container. @throws LxdError bad-request for a source that is missing */
export const attachDevice = async (target: Target, attachment: Attachment): Promise<void> => {
  if (attachment.kind === 'nic') await attachNic(target, attachment);
  else if (attachment.kind === 'mount') await attachMount(target, attachment);
  else if (attachment.kind === 'node') await attachNode(target, attachment);
  else throw notImplemented(`Device "${attachment.device}": a container cannot be given a disk, only a file system`);
};

/** Removes a device from a running container. */
export const detachDevice = async (target: Target, attachment: Attachment): Promise<void> => {
  if (attachment.kind === 'nic') await detachNic(target, attachment);
  else if (attachment.kind === 'mount') {
    await requestDone({ type: 'unmount', initPid: target.initPid, target: attachment.target });
  } else if (attachment.kind === 'node') await detachNode(target, attachment);
};

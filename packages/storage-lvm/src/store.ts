import {
  type BlockDisk,
  type BlockStore,
  badRequest,
  type Config,
  conflict,
  describeVolume,
  deviceSize,
  exists,
  messageOf,
  notFound,
  parentOf,
} from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';
import { activate, deactivate } from './activation.ts';
import { isMissing, lvm } from './command.ts';
import { isLostSnapshot, thinUsage } from './device-mapper.ts';
import { type Group, logicalVolumes, madeTag, nodeOf, qualified } from './group.ts';
import { made, madeInactive, stripes } from './made.ts';
import { checkName, deviceName, logicalVolumeName, nodePath, parseLogicalVolumeName } from './names.ts';
import { removeLogicalVolume } from './remove.ts';
import { resizeLogicalVolume } from './resize.ts';
import { restoreThick } from './restore-thick.ts';
import { restoreThin } from './restore-thin.ts';
import { wholeSnapshotSize } from './snapshot-size.ts';
import { usageOfThinPool } from './thin-pool.ts';

/** Stripes are those of the thin pool; only what the pool gives as a default to all its volumes passes without a word. */
const refuseStripes = (volume: Config, pool: Config): void => {
  for (const key of ['lvm.stripes', 'lvm.stripes.size']) {
    if (volume[key] && volume[key] !== pool[`volume.${key}`]) {
      throw badRequest(`Invalid value for "${key}": it cannot be used with thin pool volumes`);
    }
  }
};

/**
 * The logical volumes of a group as the devices of volumes.
 *
 * @param group - its names may change while the store is in use
 * @param config - the pool's configuration now
 * @param changed - called after space was taken or given back
 */
export const lvmStore = (group: Group, extentSize: number, config: () => Config, changed: () => void): BlockStore => {
  const { thinPool } = group;
  const isThin = thinPool !== undefined;
  const nameOf = logicalVolumeName;

  const snapshot = async (target: string, source: string, writable: boolean, signal?: AbortSignal): Promise<void> => {
    const state = isThin && !writable ? madeInactive : made;
    const permission = ['--permission', writable ? 'rw' : 'r'];
    // A thin one shares the pool; a thick one gets room for all that can change.
    const size = isThin
      ? []
      : ['--size', `${await wholeSnapshotSize(group, source)}b`, '--addtag', `${madeTag}${Date.now()}`];
    await lvm(
      ['lvcreate', '--snapshot', ...state, ...size, ...permission, '--name', target, qualified(group, source)],
      signal ? { signal } : {},
    );
    changed();
  };

  const sharing: Pick<BlockStore, 'clone' | 'cloneSnapshot'> = {
    async clone(target, source, work) {
      checkName(group.name, target);
      await snapshot(nameOf(target), nameOf(source), true, work?.signal);
    },
    async cloneSnapshot(target, source, work) {
      checkName(group.name, target);
      await snapshot(nameOf(target), nameOf(source), false, work?.signal);
    },
  };

  /** The device of a thick volume with snapshots takes no new size while it is active, and never a smaller one. */
  const resizeThick = async (disk: BlockDisk, bytes: number, mounted: boolean): Promise<void> => {
    const name = nameOf(disk);
    const found = (await logicalVolumes(group)).find((one) => one.name === name);
    const inactive = found?.isThickOrigin ?? false;
    if (inactive && found && bytes < found.size) {
      throw conflict(`${describeVolume(disk.volume)} has snapshots: without a thin pool it cannot shrink`);
    }
    if (inactive && mounted) {
      throw conflict(`${describeVolume(disk.volume)} has snapshots: it can be resized only while nobody uses it`);
    }
    if (inactive) await lvm(['lvchange', '--activate', 'n', qualified(group, name)]);
    try {
      await resizeLogicalVolume(group, name, bytes);
    } finally {
      if (inactive) await activate(group, name);
    }
  };

  return {
    granularity: extentSize,
    thin: isThin,
    ...(isThin ? sharing : {}),

    async sizes(disks) {
      const volumes = new Map((await logicalVolumes(group)).map(({ name, size }) => [name, size]));
      return disks.map((disk) => volumes.get(nameOf(disk)));
    },

    async make(disk, size, work) {
      checkName(group.name, disk);
      const options = work?.signal ? { signal: work.signal } : {};
      const [name, bytes] = [nameOf(disk), `${size}b`];
      if (group.thinPool !== undefined) {
        refuseStripes(disk.volume.config, config());
        const pool = qualified(group, group.thinPool);
        await lvm(
          ['lvcreate', ...made, '--wipesignatures', 'n', '--virtualsize', bytes, '--name', name, '--thin', pool],
          options,
        );
      } else {
        const argv = [
          ...made,
          '--wipesignatures',
          'n',
          ...stripes(disk.volume.config),
          '--size',
          bytes,
          '--name',
          name,
        ];
        await lvm(['lvcreate', ...argv, group.name], options);
        // What was there before belonged to others.
        if (disk.part === 'disk')
          await run(['blkdiscard', '--zeroout', nodePath(group.name, name)], {
            debianPackage: 'util-linux',
            ...options,
          });
      }
      changed();
    },

    async snapshot(disk, work) {
      checkName(group.name, disk);
      await snapshot(nameOf(disk), nameOf({ ...disk, volume: parentOf(disk.volume) }), false, work?.signal);
    },

    async remove(disk) {
      await removeLogicalVolume(group, nameOf(disk));
      changed();
    },

    async rename(from, to) {
      checkName(group.name, to);
      await lvm(['lvrename', group.name, nameOf(from), nameOf(to)]);
    },

    async resize(disk, bytes, { mounted }) {
      if (isThin) await resizeLogicalVolume(group, nameOf(disk), bytes);
      else await resizeThick(disk, bytes, mounted);
      changed();
    },

    async node(disk) {
      const node = nodeOf(group, disk);
      return (await exists(node)) ? node : undefined;
    },

    async open(disk, { write = false } = {}) {
      const name = nameOf(disk);
      const isSnapshot = disk.volume.snapshot !== undefined;
      const setPermission = (to: 'r' | 'rw'): Promise<string> =>
        lvm(['lvchange', '--permission', to, qualified(group, name)]);
      let path: string;
      try {
        path = await activate(group, name);
        if (isSnapshot && write) await setPermission('rw');
      } catch (error) {
        throw isMissing(error) ? notFound(`${describeVolume(disk.volume)} is not there`, { cause: error }) : error;
      }
      if (isSnapshot && !isThin && (await isLostSnapshot(deviceName(group.name, name)))) {
        throw conflict(
          `${describeVolume(disk.volume)} is lost: more was changed in the volume than there was room for. Delete the snapshot`,
        );
      }
      return {
        path,
        async [Symbol.asyncDispose]() {
          if (isSnapshot && write) await setPermission('r');
          // A thick snapshot is active as long as its volume; a volume stays for its next user.
          if (isSnapshot && isThin) await deactivate(group, name);
        },
      };
    },

    // A thick one takes what it is large.
    used: (disk) => (isThin ? thinUsage(deviceName(group.name, nameOf(disk))) : deviceSize(nodeOf(group, disk))),

    restore: (volume, parts, from, tools, work) =>
      (isThin ? restoreThin : restoreThick)(group, volume, parts, from, tools, work),

    async explain(error) {
      const { thinPool } = group;
      const isWrite = /ENOSPC|EIO|EROFS|No space left|Input\/output error|Read-only file system/.test(messageOf(error));
      if (!isWrite || thinPool === undefined) return undefined;
      const usage = await usageOfThinPool(group, thinPool);
      if (!usage || usage.used < usage.total) return undefined;
      return conflict(`No space left in thin pool "${qualified(group, thinPool)}" (ENOSPC)`, { cause: error });
    },

    async list() {
      return (await logicalVolumes(group)).flatMap(({ name, created }) => {
        const disk = parseLogicalVolumeName(name);
        return disk ? [{ ...disk, created }] : [];
      });
    },
  };
};

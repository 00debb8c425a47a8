import { join } from 'node:path';
import type { Machine } from '@lxd-ts/driver-kit';
import { openRoot, toHostId } from '@lxd-ts/host';

/** Where the kernel's file systems go; images are expected to have them, empty. */
const directories = ['dev', 'proc', 'sys'];

/** Makes what is missing of the directories a container needs, as its root user. */
export const makeRootDirectories = (machine: Machine): void => {
  const onDisk = machine.diskIdmap ?? [];
  const owner =
    onDisk.length === 0
      ? { uid: 0, gid: 0 }
      : { uid: toHostId(onDisk, 'uid', 0) ?? 0, gid: toHostId(onDisk, 'gid', 0) ?? 0 };
  using root = openRoot(join(machine.path, 'rootfs'));
  for (const directory of directories) {
    if (!root.exists(directory)) root.mkdir(directory, owner);
  }
};

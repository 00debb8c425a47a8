import { exists, waitForDevice } from '@lxd-ts/driver-kit';
import { lvm } from './command.ts';
import { type Group, qualified } from './group.ts';
import { nodePath } from './names.ts';

/** Makes the device of a logical volume, unless it is there. LXD marks its volumes to be skipped by others who activate. */
export const activate = async (group: Group, name: string): Promise<string> => {
  const node = nodePath(group.name, name);
  if (!(await exists(node))) {
    // A thick snapshot is active only together with its volume, which LVM asks about.
    await lvm(['lvchange', '--yes', '--activate', 'y', '--ignoreactivationskip', qualified(group, name)]);
    await waitForDevice(node);
  }
  return node;
};

/** Takes the device away. */
export const deactivate = async (group: Group, name: string): Promise<void> => {
  if (!(await exists(nodePath(group.name, name)))) return;
  await lvm(['lvchange', '--activate', 'n', qualified(group, name)]);
};

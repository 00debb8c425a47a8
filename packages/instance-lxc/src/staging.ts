import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attachment, Machine, MountAttachment } from '@lxd-ts/driver-kit';
import { bindMount, mountsBelow, unmountAll } from '@lxd-ts/host';

const prefix = 'lxc.staged.';

/** Whether a mount must be made on the host first: in a user namespace the kernel refuses to leave out what is mounted below. */
const needsStaging = (machine: Machine, { fileSystem, recursive, source }: MountAttachment): boolean =>
  machine.idmap !== undefined &&
  fileSystem === undefined &&
  !recursive &&
  mountsBelow(source).some(({ target }) => target !== source);

/**
 * Makes mounts on the host that a container cannot make for itself, below the machine's directory.
 *
 * @returns the attachments with the sources changed; `unstage` takes the host's side away once the container has its own
 */
export const stageMounts = (machine: Machine, attachments: readonly Attachment[]): Promise<Attachment[]> =>
  Promise.all(
    attachments.map(async (attachment) => {
      if (attachment.kind !== 'mount' || !needsStaging(machine, attachment)) return attachment;
      const source = join(machine.devices, `${prefix}${attachment.device}`);
      await mkdir(source, { recursive: true });
      await bindMount(attachment.source, source, { propagation: 'private' });
      return { ...attachment, source };
    }),
  );

/** @param names - entries of the machine's directory; others are passed over */
export const unstage = async (machine: Machine, names: readonly string[]): Promise<void> => {
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const directory = join(machine.devices, name);
    await unmountAll(directory, { lazy: true });
    await rmdir(directory);
  }
};

import { lstat, mkdir, realpath, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Attachment, Machine, MountAttachment } from '@lxd-ts/driver-kit';
import { bindMount, isErrno, mountsBelow, unmountAll } from '@lxd-ts/host';

const prefix = 'lxc.staged.';

const OTHERS_SEARCH = 0o001;

/** Whether the way to a path leads through a directory that only its owner may pass, who is not the container's root. */
const isHidden = async (source: string): Promise<boolean> => {
  let directory = dirname(await realpath(source));
  for (;;) {
    if (((await stat(directory)).mode & OTHERS_SEARCH) === 0) return true;
    if (directory === '/') return false;
    directory = dirname(directory);
  }
};

/**
 * Whether a mount must be made on the host first: root of a user namespace does not reach a source in a directory of the host's
 * root (custom volumes are in one), and the kernel refuses it to leave out what is mounted below.
 */
const needsStaging = async (machine: Machine, { fileSystem, recursive, source }: MountAttachment): Promise<boolean> => {
  if (machine.idmap === undefined || fileSystem !== undefined) return false;
  if (!recursive && mountsBelow(source).some(({ target }) => target !== source)) return true;
  try {
    return await isHidden(source);
  } catch (error) {
    // Told later, with the device's name.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
};

const stage = async (machine: Machine, attachment: MountAttachment): Promise<MountAttachment> => {
  const { device, source, recursive, propagation } = attachment;
  const place = join(machine.devices, `${prefix}${device}`);
  if ((await stat(source)).isDirectory()) await mkdir(place, { recursive: true });
  else await writeFile(place, '');
  await bindMount(source, place, { recursive, ...(propagation === 'private' ? { propagation } : {}) });
  return { ...attachment, source: place };
};

/**
 * Makes mounts on the host that a container cannot make for itself, below the machine's directory.
 *
 * @returns the attachments with the sources changed; `unstage` takes the host's side away once the container has its own
 */
export const stageMounts = (machine: Machine, attachments: readonly Attachment[]): Promise<Attachment[]> =>
  Promise.all(
    attachments.map(async (attachment) =>
      attachment.kind === 'mount' && (await needsStaging(machine, attachment))
        ? stage(machine, attachment)
        : attachment,
    ),
  );

/** @param names - entries of the machine's directory; others are passed over */
export const unstage = async (machine: Machine, names: readonly string[]): Promise<void> => {
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const place = join(machine.devices, name);
    await unmountAll(place, { lazy: true });
    // Nothing is mounted there any more: an empty directory or file.
    if ((await lstat(place)).isDirectory()) await rmdir(place);
    else await unlink(place);
  }
};

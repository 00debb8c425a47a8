/**
 * Where a container finds the source of a disk: mounted once more below the instance's own directory of devices. The container mounts it
 * with the rights of its own root user, who may not pass through the directories that lead to a volume or to a path of the host.
 */
import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device, DeviceContext } from '@lxd-ts/driver-kit';
import { bindMount, isErrno, unmountAll } from '@lxd-ts/host';

type Place = Pick<DeviceContext, 'directory'>;

const pathOf = ({ name }: Pick<Device, 'name'>, { directory }: Place): string =>
  join(directory, `disk.${encodeURIComponent(name)}`);

/** Takes the source away again. Nothing there is no error. */
export const removeDiskPlace = async (device: Pick<Device, 'name'>, context: Place): Promise<void> => {
  const path = pathOf(device, context);
  await unmountAll(path, { lazy: true });
  try {
    await rmdir(path);
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) await rm(path);
    else if (!isErrno(error, 'ENOENT')) throw error;
  }
};

/**
 * Shows the source of a disk, a directory or a file, at the place where the container finds it.
 *
 * @param recursive - with the mounts below it
 * @returns that place
 */
export const makeDiskPlace = async (
  device: Pick<Device, 'name'>,
  context: Place,
  source: string,
  recursive: boolean,
): Promise<string> => {
  await removeDiskPlace(device, context);
  const path = pathOf(device, context);
  await mkdir(context.directory, { recursive: true, mode: 0o711 });
  if ((await stat(source)).isDirectory()) await mkdir(path, { mode: 0o711 });
  else await writeFile(path, '', { mode: 0o600 });
  await bindMount(source, path, { recursive });
  return path;
};

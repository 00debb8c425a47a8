import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, type Fill, type InstanceType, type MountedVolume } from '@lxd-ts/driver-kit';
import { removeTree, run } from '@lxd-ts/host';
import { formatOf, tarOptions } from './archive.ts';
import { imageFiles } from './files.ts';

const extract = async (
  file: string,
  directory: string,
  { signal, keepDirectory }: { signal: AbortSignal | undefined; keepDirectory: boolean },
): Promise<void> => {
  const options = signal ? { signal } : {};
  const format = await formatOf(file);
  if (format === 'squashfs') {
    await run(['unsquashfs', '-q', '-no-progress', '-f', '-d', directory, file], {
      ...options,
      debianPackage: 'squashfs-tools',
    });
    return;
  }
  await run(
    [
      'tar',
      ...(tarOptions[format] ? [tarOptions[format]] : []),
      '--numeric-owner',
      '--same-owner',
      '--xattrs',
      '--xattrs-include=*',
      ...(keepDirectory ? ['--no-overwrite-dir'] : []),
      '-xpf',
      file,
      '-C',
      directory,
    ],
    options,
  );
};

/** What may stand at the top of an image; everything else an archive brings is dropped. */
const topLevel: Readonly<Record<string, 'file' | 'directory'>> = {
  'metadata.yaml': 'file',
  templates: 'directory',
  rootfs: 'directory',
  'rootfs.img': 'file',
};

/** Drops what does not belong into a volume, and refuses links in place of what does: they would lead out of it. */
const tidy = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory)) {
    const wanted = topLevel[name];
    const stats = await lstat(join(directory, name));
    if (wanted === undefined) await removeTree(join(directory, name));
    else if (!(wanted === 'file' ? stats.isFile() : stats.isDirectory()))
      throw badRequest(`The image is not valid: ${name} must be a ${wanted}`);
  }
};

/** Writes a qcow2 image onto a volume's disk, which reads as zeros so far. */
const writeDisk = async (image: string, disk: string, signal: AbortSignal | undefined): Promise<void> => {
  await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', '-n', '--target-is-zero', image, disk], {
    ...(signal ? { signal } : {}),
    debianPackage: 'qemu-utils',
  });
};

const unpackDisk = async (
  volume: MountedVolume,
  image: string,
  { keep, signal }: { keep: boolean; signal: AbortSignal | undefined },
): Promise<void> => {
  if (!volume.disk) throw badRequest('The image is that of a virtual machine, and the volume has no disk');
  await writeDisk(image, volume.disk, signal);
  if (!keep) await rm(image);
};

/** Unpacks an image into a new volume: `metadata.yaml`, `templates/` and `rootfs/`, or the disk of a virtual machine. */
export const unpackImage =
  (directory: string, fingerprint: string, split: boolean, type: InstanceType): Fill =>
  async (volume, { signal, progress }) => {
    const { main, rootfs } = imageFiles(directory, fingerprint);
    const stage = 'create_instance_from_image_unpack';
    progress?.({ stage, percent: 0 });
    await extract(main, volume.path, { signal, keepDirectory: true });
    await tidy(volume.path);
    if (type === 'virtual-machine') {
      await unpackDisk(volume, split ? rootfs : join(volume.path, 'rootfs.img'), { keep: split, signal });
    } else if (split) {
      const target = join(volume.path, 'rootfs');
      await mkdir(target, { recursive: true });
      await extract(rootfs, target, { signal, keepDirectory: false });
    }
    progress?.({ stage, percent: 100 });
  };

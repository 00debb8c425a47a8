import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, type Config, type MountedVolume, type Work } from '@lxd-ts/driver-kit';
import { type Argv, run, spawnStream, watchPosition } from '@lxd-ts/host';
import { fileChunk } from '../core/file-chunk.ts';
import type { Locks } from '../core/locks.ts';
import { type Instance, lockKey } from '../instances/instance.ts';
import type { ReceivedFiles } from './files.ts';
import { formatMetadata, openImageRoot, readMetadata, templateNames } from './metadata.ts';
import type { ImageRecord, ImageService } from './service.ts';
import type { Image } from './store.ts';

/** What an image is made of. */
export interface PublishSource {
  readonly instance: Instance;
  readonly snapshot?: string;
}

export interface PublishRequest {
  /** A word of `images.compression_algorithm`, with options of the program if wanted: `gzip`, `xz -9`, `none`. */
  readonly compression: string;
  readonly filename: string;
  /** Replace those of the instance's metadata; undefined leaves them. */
  readonly properties: Config | undefined;
  readonly record: Omit<ImageRecord, 'properties'>;
}

interface Parts {
  readonly images: ImageService;
  readonly locks: Locks;
  readonly mount: (instance: Instance, snapshot?: string) => Promise<MountedVolume>;
  readonly isRunning: (instance: Instance) => boolean;
}

const compressors: Readonly<Record<string, Argv | undefined>> = {
  none: undefined,
  squashfs: undefined,
  bzip2: ['bzip2'],
  // Without name and time in the header, equal content gives an equal fingerprint.
  gzip: ['gzip', '-n'],
  lzma: ['xz', '--format=lzma'],
  pigz: ['pigz', '-n'],
  xz: ['xz', '-T0'],
  zstd: ['zstd', '-q', '-T0'],
};

/** Levels and the like; nothing that names files. */
const allowedOption = /^-(\d+|e|-rsyncable|-fast|-best|-extreme|-ultra)$/;

/** The program for a compression algorithm. @throws LxdError bad-request */
export const compressorOf = (algorithm: string): Argv | undefined => {
  const [name = '', ...options] = algorithm.trim().split(/\s+/);
  if (!Object.hasOwn(compressors, name) || options.some((option) => !allowedOption.test(option))) {
    throw badRequest(`Invalid compression algorithm "${algorithm}": use one of ${Object.keys(compressors).join(', ')}`);
  }
  const program = compressors[name];
  return program && [...program, ...options];
};

/** It is read again in large pieces, from memory as a rule, which costs less than to lead it through here in small ones. */
const hashOf = async (file: string, signal: AbortSignal | undefined): Promise<string> => {
  const hash = createHash('sha256');
  const content = createReadStream(file, { highWaterMark: fileChunk, ...(signal ? { signal } : {}) });
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
};

/** Makes images of instances and snapshots (spec 04.106–115). */
export const createPublish = ({ images, locks, mount, isRunning }: Parts) => {
  const pack = async (
    { instance, snapshot }: PublishSource,
    request: PublishRequest,
    directory: string,
    { signal, progress }: Work,
  ): Promise<ReceivedFiles> => {
    await using volume = await mount(instance, snapshot);
    using root = openImageRoot(volume.path);
    const found = await readMetadata(root);
    const { expiresAt } = request.record;
    const metadata = {
      architecture: found?.architecture || instance.architecture,
      creation_date: Math.floor(Date.now() / 1000),
      expiry_date: expiresAt ? Math.floor(expiresAt.getTime() / 1000) : 0,
      properties: request.properties ?? found?.properties ?? {},
      templates: found?.templates ?? {},
    };
    await writeFile(join(directory, 'metadata.yaml'), formatMetadata(metadata), { mode: 0o644 });
    const sources = ['-C', directory, 'metadata.yaml'];
    const options = signal ? { signal } : {};
    if (instance.type === 'virtual-machine') {
      if (!volume.disk) throw badRequest('The instance has no disk');
      const disk = join(directory, 'rootfs.img');
      await run(['qemu-img', 'convert', '-c', '-O', 'qcow2', volume.disk, disk], {
        ...options,
        debianPackage: 'qemu-utils',
      });
      sources.push('rootfs.img');
    }
    sources.push('-C', volume.path);
    if (instance.type === 'container') sources.push('rootfs');
    if (templateNames(root).length > 0) sources.push('templates');
    const main = join(directory, 'main');
    const packed = async (): Promise<ReceivedFiles> => ({
      main,
      fingerprint: await hashOf(main, signal),
      size: (await stat(main)).size,
      filename: request.filename,
    });
    if (request.compression === 'squashfs') {
      const paths = ['rootfs', 'templates']
        .filter((name) => sources.includes(name))
        .map((name) => join(volume.path, name));
      const first = join(directory, 'metadata.yaml');
      await run(['mksquashfs', first, ...paths, main, '-quiet', '-no-progress', '-noappend'], {
        ...options,
        debianPackage: 'squashfs-tools',
      });
      return await packed();
    }
    const tar: Argv = ['tar', '--numeric-owner', '--xattrs', '--sort=name', '-cf', '-', ...sources];
    const compressor = compressorOf(request.compression);
    const started = performance.now();
    await using file = await open(main, 'wx', 0o600);
    {
      using _ = watchPosition(file.fd, (bytes) =>
        progress?.({
          stage: 'create_image_from_container_pack',
          bytes,
          speed: bytes / ((performance.now() - started) / 1000),
        }),
      );
      await spawnStream(compressor ? [tar, compressor] : [tar], { ...options, stdout: file.fd }).done;
    }
    return await packed();
  };

  return async (source: PublishSource, request: PublishRequest, work: Work): Promise<Image> => {
    const { instance, snapshot } = source;
    compressorOf(request.compression);
    // It is heavy on disk and processor: one after the other (spec 04.112).
    using _turn = await locks.wait('publishing of images', 'publish', work.signal);
    using _lock = snapshot === undefined ? await locks.hold(lockKey(instance), 'publish') : undefined;
    if (snapshot === undefined && isRunning(instance)) throw badRequest('Cannot export a running instance as an image');
    await using directory = await images.workDirectory();
    return await images.add(await pack(source, request, directory.path, work), { ...request.record, properties: {} });
  };
};

export type Publish = ReturnType<typeof createPublish>;

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, type Config, copyTree, type MountedVolume, type Work } from '@lxd-ts/driver-kit';
import { type NamedTree, packTrees, run } from '@lxd-ts/host';
import { imageCompressions, isImageCompression } from '../core/compression.ts';
import { fileChunk } from '../core/file-chunk.ts';
import type { Locks } from '../core/locks.ts';
import { type Instance, lockKey } from '../instances/instance.ts';
import { isRootShifted, unshiftRoot } from '../instances/root-ids.ts';
import type { ReceivedFiles } from './files.ts';
import { formatMetadata, openImageRoot, readMetadata, templateNames } from './metadata.ts';
import type { ImageRecord, ImageService } from './service.ts';
import type { Image } from './store.ts';

/** What an image is made of. */
export interface PublishSource {
  readonly instance: Instance;
  readonly snapshot?: string | undefined;
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
  /** The configuration that a snapshot was taken with. @throws LxdError not-found */
  readonly configOf: (instance: Instance, snapshot: string) => Promise<Config>;
  readonly isRunning: (instance: Instance) => boolean;
}

/** @throws LxdError bad-request for what is no compression algorithm */
export const checkAlgorithm = (algorithm: string): void => {
  if (!isImageCompression(algorithm))
    throw badRequest(`Invalid compression algorithm "${algorithm}": use one of ${imageCompressions.join(', ')}`);
};

/** It is read again in large pieces, from memory as a rule, which costs less than to lead it through here in small ones. */
const hashOf = async (file: string, signal: AbortSignal | undefined): Promise<string> => {
  const hash = createHash('sha256');
  const content = createReadStream(file, { highWaterMark: fileChunk, ...(signal ? { signal } : {}) });
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
};

/** Makes images of instances and snapshots (spec 04.106–115). */
export const createPublish = ({ images, locks, mount, configOf, isRunning }: Parts) => {
  /** The root file system with the ids seen inside: as it is or, where the ids on disk are shifted, a copy. */
  const rootfsOf = async (
    { instance, snapshot }: PublishSource,
    path: string,
    directory: string,
    work: Work,
  ): Promise<string> => {
    const config = snapshot === undefined ? instance.config : await configOf(instance, snapshot);
    const rootfs = join(path, 'rootfs');
    if (!isRootShifted(config)) return rootfs;
    const copy = join(directory, 'rootfs');
    await copyTree(rootfs, copy, work);
    await unshiftRoot(directory, config, work);
    return copy;
  };

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
    const trees: NamedTree[] = [{ path: join(directory, 'metadata.yaml'), name: 'metadata.yaml' }];
    const options = signal ? { signal } : {};
    if (instance.type === 'virtual-machine') {
      if (!volume.disk) throw badRequest('The instance has no disk');
      const disk = join(directory, 'rootfs.img');
      await run(['qemu-img', 'convert', '-c', '-O', 'qcow2', volume.disk, disk], {
        ...options,
        debianPackage: 'qemu-utils',
      });
      trees.push({ path: disk, name: 'rootfs.img' });
    } else {
      trees.push({ path: await rootfsOf({ instance, snapshot }, volume.path, directory, options), name: 'rootfs' });
    }
    if (templateNames(root).length > 0) trees.push({ path: join(volume.path, 'templates'), name: 'templates' });
    const main = join(directory, 'main');
    if (request.compression === 'squashfs') {
      await run(['mksquashfs', ...trees.map(({ path }) => path), main, '-quiet', '-no-progress', '-noappend'], {
        ...options,
        debianPackage: 'squashfs-tools',
      });
    } else {
      const started = performance.now();
      await packTrees(trees, main, {
        ...options,
        compression: request.compression,
        onProgress: (bytes) =>
          progress?.({
            stage: 'create_image_from_container_pack',
            bytes,
            speed: bytes / ((performance.now() - started) / 1000),
          }),
      });
    }
    return {
      main,
      fingerprint: await hashOf(main, signal),
      size: (await stat(main)).size,
      filename: request.filename,
    };
  };

  return async (source: PublishSource, request: PublishRequest, work: Work): Promise<Image> => {
    const { instance, snapshot } = source;
    checkAlgorithm(request.compression);
    // It is heavy on disk and processor: one after the other (spec 04.112).
    using _turn = await locks.wait('publishing of images', 'publish', work.signal);
    using _lock = snapshot === undefined ? await locks.hold(lockKey(instance), 'publish') : undefined;
    if (snapshot === undefined && isRunning(instance)) throw badRequest('Cannot export a running instance as an image');
    await using directory = await images.workDirectory();
    return await images.add(await pack(source, request, directory.path, work), { ...request.record, properties: {} });
  };
};

export type Publish = ReturnType<typeof createPublish>;

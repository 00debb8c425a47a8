import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, type Fill, messageOf } from '@lxd-ts/driver-kit';
import { isErrno, run } from '@lxd-ts/host';
import { type Metadata, parseMetadata } from './metadata.ts';

/**
 * An image on disk: `<fingerprint>` is the unified tarball or the metadata tarball, `<fingerprint>.rootfs` the root file
 * system of a split image.
 */
export const imageFiles = (directory: string, fingerprint: string): { main: string; rootfs: string } => ({
  main: join(directory, fingerprint),
  rootfs: join(directory, `${fingerprint}.rootfs`),
});

/** Whether the file is a squashfs image, by its magic (kernel Documentation/filesystems/squashfs). */
export const isSquashfs = async (file: string): Promise<boolean> => {
  await using handle = await open(file);
  const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.toString('latin1') === 'hsqs';
};

/** Writes a stream to a new file and returns its size, feeding the hash on the way. */
export const saveStream = async (
  from: Readable,
  file: string,
  hash = createHash('sha256'),
): Promise<{ size: number; sha256: string }> => {
  let size = 0;
  await pipeline(
    from,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        size += chunk.length;
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(file, { mode: 0o600 }),
  );
  return { size, sha256: hash.copy().digest('hex') };
};

/** SHA-256 of files one after the other: the fingerprint of an image (spec 04.5, 04.6). */
export const hashFiles = async (files: readonly string[]): Promise<string> => {
  const hash = createHash('sha256');
  for (const file of files) for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
};

/** Reads `metadata.yaml` out of an image file. @throws LxdError bad-request when it is not an image */
export const metadataIn = async (file: string, workDirectory: string): Promise<Metadata> => {
  const directory = await mkdtemp(join(workDirectory, 'metadata-'));
  try {
    if (await isSquashfs(file)) {
      await run(['unsquashfs', '-q', '-no-progress', '-f', '-d', directory, file, 'metadata.yaml']);
    } else {
      // The member may be stored as ./metadata.yaml; tar stops reading once it has the one it looks for.
      await run([
        'tar',
        '-xf',
        file,
        '-C',
        directory,
        '--no-same-owner',
        '--occurrence=1',
        '--wildcards',
        '--no-anchored',
        '--no-wildcards-match-slash',
        'metadata.yaml',
      ]);
    }
    return parseMetadata(await readFile(join(directory, 'metadata.yaml'), 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT'))
      throw badRequest('The file is not an image: it has no metadata.yaml', { cause: error });
    throw badRequest(`The file is not an image: ${messageOf(error)}`, { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

const extract = async (file: string, directory: string, signal: AbortSignal | undefined): Promise<void> => {
  const options = signal ? { signal } : {};
  if (await isSquashfs(file)) await run(['unsquashfs', '-q', '-no-progress', '-f', '-d', directory, file], options);
  else
    await run(
      ['tar', '-xpf', file, '-C', directory, '--numeric-owner', '--xattrs', '--xattrs-include=*', '--same-owner'],
      options,
    );
};

/** Unpacks an image into a new volume: `metadata.yaml`, `templates/` and `rootfs/`. */
export const unpackImage =
  (directory: string, fingerprint: string, split: boolean): Fill =>
  async (volume, { signal, progress }) => {
    const { main, rootfs } = imageFiles(directory, fingerprint);
    progress?.({ stage: 'create_instance_from_image_unpack', percent: 0 });
    if (split) {
      const target = join(volume.path, 'rootfs');
      await run(['mkdir', '-p', target]);
      await Promise.all([extract(main, volume.path, signal), extract(rootfs, target, signal)]);
    } else {
      await extract(main, volume.path, signal);
    }
    progress?.({ stage: 'create_instance_from_image_unpack', percent: 100 });
  };

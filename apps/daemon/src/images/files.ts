import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileChunk } from '../core/file-chunk.ts';

/**
 * An image on disk: `<fingerprint>` is the unified tarball or the metadata tarball, `<fingerprint>.rootfs` the root file
 * system of a split image.
 */
export const imageFiles = (directory: string, fingerprint: string): { main: string; rootfs: string } => ({
  main: join(directory, fingerprint),
  rootfs: join(directory, `${fingerprint}.rootfs`),
});

/** Begins the names of directories in which new files are made; what is left of them after a crash is removed. */
export const workPrefix = 'upload-';

/** What is kept beside an image's file only to be quick: it can be made anew. */
export const imageCopies = (file: string): { quick: string } => ({ quick: `${file}.tar` });

/** The files of a new image in a work directory. */
export interface ReceivedFiles {
  /** The unified tarball or, when `rootfs` is set, the metadata tarball. */
  readonly main: string;
  readonly rootfs?: string;
  /** SHA-256 of `main` and `rootfs`, one after the other (spec 04.5, 04.6). */
  readonly fingerprint: string;
  /** Bytes of both. */
  readonly size: number;
  /** The name given by whoever sent it; empty when none. */
  readonly filename: string;
}

/** Writes a stream to a new file, feeding the hash on the way. @returns bytes written */
export const saveStream = async (
  from: Readable,
  file: string,
  hash: Hash,
  onBytes?: (total: number) => void,
): Promise<number> => {
  let size = 0;
  await pipeline(
    from,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        size += chunk.length;
        hash.update(chunk);
        onBytes?.(size);
        yield chunk;
      }
    },
    createWriteStream(file, { mode: 0o600, highWaterMark: fileChunk }),
  );
  return size;
};

/** Receives a unified image into a work directory. */
export const receiveUnified = async (
  from: Readable,
  directory: string,
  filename: string,
  onBytes?: (total: number) => void,
): Promise<ReceivedFiles> => {
  const main = join(directory, 'main');
  const hash = createHash('sha256');
  const size = await saveStream(from, main, hash, onBytes);
  return { main, fingerprint: hash.digest('hex'), size, filename };
};

/** Backups and images that clients send, on their way in. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, conflict, messageOf } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { fileChunk } from '../core/file-chunk.ts';
import { listing } from '../core/listing.ts';

const prefix = 'upload-';

/** A file that was sent; disposing of it removes it with the directory it is in, which is its user's alone. */
export interface Upload extends AsyncDisposable {
  readonly file: string;
}

const save = async (upload: Readable, file: string): Promise<void> => {
  try {
    await pipeline(upload, createWriteStream(file, { mode: 0o600, highWaterMark: fileChunk }));
  } catch (error) {
    if (isErrno(error, 'ENOSPC', 'EDQUOT'))
      throw conflict('No space is left for the upload of the backup', { cause: error });
    throw badRequest(`The upload of the backup broke off: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Writes what a client sends into a file in a directory of its own.
 *
 * @param directory - `<LXD_DIR>/backups`
 * @throws LxdError conflict when the disk is full, bad-request when the client goes away; nothing is left then
 */
export const receiveUpload = async (directory: string, upload: Readable): Promise<Upload> => {
  const own = await mkdtemp(join(directory, prefix));
  const remove = (): Promise<void> => rm(own, { recursive: true, force: true });
  try {
    const file = join(own, 'backup');
    await save(upload, file);
    return { file, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
};

/** Removes uploads that a crash left. */
export const clearUploads = async (directory: string): Promise<void> => {
  for (const name of await listing(directory))
    if (name.startsWith(prefix)) await rm(join(directory, name), { recursive: true, force: true });
};

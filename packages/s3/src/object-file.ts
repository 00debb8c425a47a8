/**
 * The file of an object: its data, then a record of what else S3 knows of it, as JSON, the length of that, and a mark. One file, so
 * that data and record change in one rename(2), on any file system, and go along in any backup. A file without the mark is an
 * object too: one that was put in place by hand.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm, unlink } from 'node:fs/promises';
import { z } from 'zod';
import { isErrno, S3Error } from './errors.ts';

const mark = Buffer.from('62c1a3d2b3e84f0e9a4474f1c5de0ca8', 'hex');
const footBytes = 4 + mark.length;
/** Read at once with the foot: most records are smaller. */
const tailBytes = 2048;
/** Records are limited by those of the headers of a request. */
const maxRecordBytes = 64 * 1024;

const record = z.object({
  /** Bytes of data. */
  size: z.number().int().nonnegative(),
  /** The entity tag, without quotes: the MD5 of the data; of an assembled object as S3 makes it of the parts' tags. */
  etag: z.string(),
  /** Milliseconds since 1970. */
  modified: z.number(),
  /** The headers that are given back as they were: content-type, cache-control, …. */
  headers: z.record(z.string(), z.string()),
  /** What came as `x-amz-meta-*`. */
  metadata: z.record(z.string(), z.string()),
  /** The checksum that the client gave, by its algorithm's name in lower case. */
  checksum: z.object({ algorithm: z.string(), value: z.string() }).optional(),
  /** The data is that of the parts in this directory of assembled uploads; the file itself has none. */
  assembled: z.string().optional(),
});

/** What S3 knows of an object besides its data. */
export type ObjectRecord = z.infer<typeof record>;

/** A file of an object, open for reading. */
export interface ObjectFile extends AsyncDisposable {
  readonly file: FileHandle;
  readonly record: ObjectRecord;
}

const readExactly = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
};

const readRecord = async (file: FileHandle): Promise<ObjectRecord | undefined> => {
  const { size, mtimeMs, ino } = await file.stat();
  const plain: ObjectRecord = {
    size,
    etag: createHash('md5').update(`${ino} ${size} ${mtimeMs}`).digest('hex'),
    modified: Math.trunc(mtimeMs),
    headers: {},
    metadata: {},
  };
  if (size < footBytes) return plain;
  const tail = await readExactly(file, Math.max(0, size - tailBytes), Math.min(size, tailBytes));
  if (!tail.subarray(-mark.length).equals(mark)) return plain;
  const length = tail.readUInt32LE(tail.length - footBytes);
  if (length > maxRecordBytes || length > size - footBytes) return plain;
  const json =
    length + footBytes <= tail.length
      ? tail.subarray(tail.length - footBytes - length, tail.length - footBytes)
      : await readExactly(file, size - footBytes - length, length);
  return record.parse(JSON.parse(json.toString('utf8')));
};

/** Opens the file of an object; undefined when there is none. */
export const openObjectFile = async (path: string): Promise<ObjectFile | undefined> => {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
  try {
    if ((await file.stat()).isFile()) {
      const found = await readRecord(file);
      if (found) return { file, record: found, [Symbol.asyncDispose]: () => file.close() };
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
};

/** The record of an object; undefined when there is none. */
export const readObjectRecord = async (path: string): Promise<ObjectRecord | undefined> => {
  await using found = await openObjectFile(path);
  return found?.record;
};

/** What was written. */
export interface Written {
  readonly size: number;
  /** In hex. */
  readonly md5: string;
}

const writeAll = async (file: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
};

/**
 * Writes the file of an object whole and to disk, under a name that is not an object's yet. A failure leaves nothing.
 *
 * @param body - the data; what it throws is thrown on
 * @param describe - makes the record once all data is written
 */
export const writeObjectFile = async (
  path: string,
  body: AsyncIterable<Uint8Array>,
  describe: (written: Written) => ObjectRecord,
): Promise<ObjectRecord> => {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    const md5 = createHash('md5');
    let size = 0;
    for await (const chunk of body) {
      md5.update(chunk);
      size += chunk.length;
      await writeAll(file, chunk);
    }
    const made = describe({ size, md5: md5.digest('hex') });
    const json = Buffer.from(JSON.stringify(made));
    if (json.length > maxRecordBytes) throw new S3Error('MetadataTooLarge');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(json.length);
    await writeAll(file, Buffer.concat([json, length, mark]));
    // A crash of the host must not leave a name with half of what it stands for.
    await file.datasync();
    await file.close();
    return made;
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
};

/** Removes a file. Nothing there is no error. @returns whether there was one */
export const removeFile = async (path: string): Promise<boolean> => {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    if (!isErrno(error, 'EDQUOT', 'ENOSPC')) throw error;
  }
  // A file system that copies on write may need room even to remove: make some of the file itself.
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  await file.truncate(0).finally(() => file.close());
  await unlink(path);
  return true;
};

/**
 * The bytes of an open object's own data from `start` up to but without `end`. They are read as they are asked for.
 *
 * @throws Error when the file has become shorter than its record says
 */
export async function* readData(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  const chunk = 256 * 1024;
  for (let at = start; at < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(chunk, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error('The file of the object is shorter than it should be');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

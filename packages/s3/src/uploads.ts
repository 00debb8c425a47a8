/** Multipart uploads: parts come in any order, and become an object at once when the upload is completed. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type Assembled, writePartList, writeWhole } from './assembled.ts';
import { isErrno, S3Error } from './errors.ts';
import type { KeyLocks } from './key-locks.ts';
import { checkKey } from './key-paths.ts';
import { discardDirectory, type Layout, temporaryPath } from './layout.ts';
import { type ObjectRecord, readObjectRecord, removeFile, type Written, writeObjectFile } from './object-file.ts';
import type { Check, Objects } from './objects.ts';

/** S3's limits. */
const maxPart = 10_000;
const minPartBytes = 5 * 1024 ** 2;
/** Uploads that may be under way in a bucket at once. */
const maxUploads = 10_000;
/** An upload that got no part for so long is removed. */
export const uploadLifetime = 7 * 24 * 3600 * 1000;

const description = z.object({
  key: z.string(),
  headers: z.record(z.string(), z.string()),
  metadata: z.record(z.string(), z.string()),
  initiated: z.number(),
});
/** What is known of an upload from its beginning. */
export type Upload = z.infer<typeof description>;

/** A part as it was received. */
export interface Part {
  readonly number: number;
  readonly record: ObjectRecord;
}

export interface Uploads {
  create(upload: Omit<Upload, 'initiated'>): Promise<string>;
  /** @throws S3Error NoSuchUpload unless there is this upload for this key */
  get(key: string, id: string): Promise<Upload>;
  list(): Promise<readonly (Upload & { readonly id: string })[]>;
  putPart(
    key: string,
    id: string,
    number: number,
    body: AsyncIterable<Uint8Array>,
    describe: (written: Written) => ObjectRecord,
  ): Promise<ObjectRecord>;
  /** The numbers of the parts that are there, ascending. */
  partNumbers(key: string, id: string): Promise<readonly number[]>;
  part(id: string, number: number): Promise<Part | undefined>;
  /**
   * Makes the object of the parts named, in their order. A repeated call answers as the first.
   *
   * @throws S3Error InvalidPart, InvalidPartOrder, EntityTooSmall, NoSuchUpload
   */
  complete(
    key: string,
    id: string,
    parts: readonly { readonly number: number; readonly etag: string }[],
    check?: Check,
  ): Promise<ObjectRecord>;
  abort(key: string, id: string): Promise<void>;
  /** Removes old uploads, and takes back what a crash left between the steps of completing one. */
  tidy(signal: AbortSignal): Promise<void>;
}

/** @throws S3Error InvalidArgument */
export const checkPartNumber = (number: number): void => {
  if (!Number.isInteger(number) || number < 1 || number > maxPart) {
    throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${maxPart}, inclusive`);
  }
};

const isId = (id: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);

const descriptionFile = 'upload.json';
/** The same, once the upload has become an object: without that its directory is of no more use. */
const completedFile = 'completed.json';

const readUpload = async (directory: string, file = descriptionFile): Promise<Upload | undefined> => {
  try {
    return description.parse(JSON.parse(await readFile(join(directory, file), 'utf8')));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
};

/** Runs what is about the data of an object that may be replaced or deleted meanwhile, and its data with it. */
const unlessGone = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
};

/** The entity tag of an assembled object: the MD5 of the MD5s of its parts, and their number. */
const assembledTag = (parts: readonly ObjectRecord[]): string => {
  const md5 = createHash('md5');
  for (const { etag } of parts) md5.update(Buffer.from(etag, 'hex'));
  return `${md5.digest('hex')}-${parts.length}`;
};

export const createUploads = (layout: Layout, locks: KeyLocks, objects: Objects, assembled: Assembled): Uploads => {
  const directoryOf = (id: string): string => {
    if (!isId(id)) throw new S3Error('NoSuchUpload');
    return join(layout.uploads, id);
  };
  /** Locks of uploads are told from those of keys by a character that stands before the first of any key's. */
  const alone = <T>(id: string, work: () => Promise<T>): Promise<T> => locks.run(`\ud800upload ${id}`, work);

  const get: Uploads['get'] = async (key, id) => {
    const upload = await readUpload(directoryOf(id));
    if (upload?.key !== key) throw new S3Error('NoSuchUpload');
    return upload;
  };

  const part: Uploads['part'] = async (id, number) => {
    const record = await readObjectRecord(join(directoryOf(id), String(number)));
    return record && { number, record };
  };

  const numbersIn = async (directory: string): Promise<number[]> =>
    (await readdir(directory))
      .filter((name) => /^[1-9][0-9]{0,4}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);

  /** The object that this upload has become already, if it has. */
  const completed = async (key: string, id: string): Promise<ObjectRecord | undefined> => {
    const record = await objects.record(key);
    return record?.assembled === id ? record : undefined;
  };

  const markCompleted = (id: string): Promise<void> =>
    rename(join(assembled.directory(id), descriptionFile), join(assembled.directory(id), completedFile));

  /** What is left to do once the object is there: parts that are not in it go. */
  const finish = async (id: string, listed: ReadonlySet<number>): Promise<void> => {
    await markCompleted(id);
    for (const number of await numbersIn(assembled.directory(id))) {
      if (!listed.has(number)) await removeFile(join(assembled.directory(id), String(number)));
    }
  };

  const complete: Uploads['complete'] = async (key, id, parts, check) => {
    const directory = directoryOf(id);
    const done = await completed(key, id);
    if (done) return done;
    const upload = await get(key, id);
    if (parts.length === 0) throw new S3Error('MalformedXML');
    if (parts.some(({ number }, at) => at > 0 && number <= (parts[at - 1]?.number ?? 0))) {
      throw new S3Error('InvalidPartOrder');
    }
    const found: Part[] = [];
    for (const { number, etag } of parts) {
      const one = await part(id, number);
      if (one?.record.etag !== etag) throw new S3Error('InvalidPart');
      found.push(one);
    }
    if (found.slice(0, -1).some(({ record }) => record.size < minPartBytes)) throw new S3Error('EntityTooSmall');
    await writePartList(
      layout,
      directory,
      found.map(({ number, record }) => ({ number, size: record.size })),
    );
    const file = temporaryPath(layout);
    const size = found.reduce((sum, { record }) => sum + record.size, 0);
    const made = await writeObjectFile(
      file,
      Readable.from([]),
      (): ObjectRecord => ({
        size,
        etag: assembledTag(found.map(({ record }) => record)),
        modified: Date.now(),
        headers: upload.headers,
        metadata: upload.metadata,
        assembled: id,
      }),
    );
    await rename(directory, assembled.directory(id));
    try {
      await objects.place(key, file, check);
    } catch (error) {
      await rename(assembled.directory(id), directory);
      throw error;
    }
    await unlessGone(() => finish(id, new Set(found.map(({ number }) => number))));
    return made;
  };

  const expire = async (id: string): Promise<void> => {
    const directory = directoryOf(id);
    const { mtimeMs } = await stat(directory);
    if (Date.now() - mtimeMs > uploadLifetime || !(await readUpload(directory)))
      await discardDirectory(layout, directory);
  };

  /**
   * Looks at data after a start. A crash may have come before the object of it was made: then the upload is as it was, to be
   * completed again. Or after the object was replaced: then the data goes.
   */
  const settle = async (id: string): Promise<void> => {
    const directory = assembled.directory(id);
    const upload = await readUpload(directory);
    const before = upload ?? (await readUpload(directory, completedFile));
    if (!before) return discardDirectory(layout, directory);
    await locks.run(before.key, async () => {
      if (assembled.isDoomed(id)) return;
      const isObject = (await completed(before.key, id)) !== undefined;
      if (isObject && upload) await unlessGone(() => markCompleted(id));
      else if (!isObject && upload) await unlessGone(() => rename(directory, directoryOf(id)));
      else if (!isObject) await discardDirectory(layout, directory);
    });
  };

  return {
    get,
    part,

    async create(upload) {
      checkKey(upload.key);
      if ((await readdir(layout.uploads)).length >= maxUploads) {
        throw new S3Error('SlowDown', `No more than ${maxUploads} multipart uploads can be under way in a bucket.`);
      }
      const id = randomUUID();
      const directory = temporaryPath(layout);
      await mkdir(directory, { mode: 0o700 });
      try {
        const text = JSON.stringify({ ...upload, initiated: Date.now() } satisfies Upload);
        await writeWhole(layout, join(directory, descriptionFile), text);
        await rename(directory, directoryOf(id));
      } catch (error) {
        await rm(directory, { recursive: true, force: true });
        throw error;
      }
      return id;
    },

    async list() {
      const found: (Upload & { id: string })[] = [];
      for (const id of (await readdir(layout.uploads)).filter(isId)) {
        const upload = await readUpload(directoryOf(id));
        if (upload) found.push({ ...upload, id });
      }
      return found;
    },

    async putPart(key, id, number, body, describe) {
      checkPartNumber(number);
      await get(key, id);
      const file = temporaryPath(layout);
      const record = await writeObjectFile(file, body, describe);
      try {
        // Not while the upload is being completed: what was looked at must be what is taken.
        await alone(id, () => rename(file, join(directoryOf(id), String(number))));
      } catch (error) {
        await rm(file, { force: true });
        // Aborted, or completed, while the part came in.
        throw isErrno(error, 'ENOENT') ? new S3Error('NoSuchUpload') : error;
      }
      return record;
    },

    async partNumbers(key, id) {
      await get(key, id);
      return numbersIn(directoryOf(id));
    },

    complete: (key, id, parts, check) => alone(id, () => complete(key, id, parts, check)),

    abort: (key, id) =>
      alone(id, async () => {
        await get(key, id);
        await discardDirectory(layout, directoryOf(id));
      }),

    async tidy(signal) {
      for (const id of (await readdir(layout.assembled)).filter(isId)) {
        if (signal.aborted) return;
        await alone(id, () => settle(id));
      }
      for (const id of (await readdir(layout.uploads)).filter(isId)) {
        if (signal.aborted) return;
        await alone(id, () => expire(id));
      }
    },
  };
};

/** The objects of a bucket: written whole or not at all, read as they were when the reading began. */
import { rm } from 'node:fs/promises';
import { type Assembled, type PartList, readPartList, readParts } from './assembled.ts';
import { S3Error } from './errors.ts';
import type { KeyLocks } from './key-locks.ts';
import { checkKey } from './key-paths.ts';
import { type Layout, objectPath, placeFile, pruneDirectories, temporaryPath } from './layout.ts';
import {
  type ObjectRecord,
  openObjectFile,
  readData,
  readObjectRecord,
  removeFile,
  type Written,
  writeObjectFile,
} from './object-file.ts';
import { type Walked, type WalkQuery, walk } from './walk.ts';

/** An object that is being read. It stays what it was until disposed, whatever happens to its key. */
export interface OpenObject extends AsyncDisposable {
  readonly record: ObjectRecord;
  /** The parts it was uploaded in, if it was. */
  readonly parts: PartList | undefined;
  /** Bytes from `start` up to but without `end`, read as they are asked for. */
  read(start: number, end: number): AsyncIterable<Buffer>;
}

/** Looks at what a key holds now and throws to refuse the change. */
export type Check = (before: ObjectRecord | undefined) => void;

export interface Objects {
  /** @throws S3Error NoSuchKey */
  open(key: string): Promise<OpenObject>;
  /** @throws S3Error QuotaExceeded, KeyTooLongError; and what `body` and `check` throw */
  put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    describe: (written: Written) => ObjectRecord,
    check?: Check,
  ): Promise<ObjectRecord>;
  /** Puts a finished file in place as the object. It is gone afterwards in any case. */
  place(key: string, file: string, check?: Check): Promise<void>;
  /** Nothing there is no error. */
  delete(key: string, check?: Check): Promise<void>;
  /** What a key holds; undefined when nothing. */
  record(key: string): Promise<ObjectRecord | undefined>;
  /** Keys in order. */
  walk(query: WalkQuery): AsyncIterable<Walked>;
  /** The record behind what `walk` found; undefined when it is gone. */
  recordAt(path: string): Promise<ObjectRecord | undefined>;
}

export const createObjects = (layout: Layout, locks: KeyLocks, assembled: Assembled): Objects => {
  const openNow = async (key: string): Promise<OpenObject> => {
    await using stack = new AsyncDisposableStack();
    const found = await openObjectFile(objectPath(layout, key));
    if (!found) throw new S3Error('NoSuchKey');
    stack.use(found);
    const { record, file } = found;
    const id = record.assembled;
    if (id === undefined) {
      const kept = stack.move();
      return {
        record,
        parts: undefined,
        read: (start, end) => readData(file, start, end),
        [Symbol.asyncDispose]: () => kept.disposeAsync(),
      };
    }
    stack.use(assembled.retain(id));
    const directory = assembled.directory(id);
    const parts = await readPartList(directory);
    const kept = stack.move();
    return {
      record,
      parts,
      read: (start, end) => readParts(directory, parts, start, end),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  };

  const place: Objects['place'] = async (key, file, check) => {
    const path = objectPath(layout, key);
    try {
      await locks.run(key, async () => {
        const before = await readObjectRecord(path);
        check?.(before);
        await placeFile(file, path);
        if (before?.assembled !== undefined) await assembled.discard(before.assembled);
      });
    } catch (error) {
      await rm(file, { force: true });
      await pruneDirectories(layout, path);
      throw error;
    }
  };

  return {
    async open(key) {
      checkKey(key);
      return locks.run(key, () => openNow(key));
    },

    async put(key, body, describe, check) {
      checkKey(key);
      const file = temporaryPath(layout);
      const record = await writeObjectFile(file, body, describe);
      await place(key, file, check);
      return record;
    },

    place,

    async delete(key, check) {
      checkKey(key);
      const path = objectPath(layout, key);
      const removed = await locks.run(key, async () => {
        const before = await readObjectRecord(path);
        check?.(before);
        if (!before) return false;
        await removeFile(path);
        if (before.assembled !== undefined) await assembled.discard(before.assembled);
        return true;
      });
      if (removed) await pruneDirectories(layout, path);
    },

    async record(key) {
      checkKey(key);
      return readObjectRecord(objectPath(layout, key));
    },

    walk: (query) => walk(layout.objects, query),
    recordAt: readObjectRecord,
  };
};

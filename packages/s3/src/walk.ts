/** Walks the keys of a directory of objects in their order, reading no more than it must, and holding few names at once. */
import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { isErrno } from './errors.ts';
import { objectNames, parseName } from './key-paths.ts';
import { compareText } from './text-order.ts';

export interface WalkQuery {
  /** Keys that begin with this. */
  readonly prefix: string;
  /** Keys that come after this one; empty: from the beginning. */
  readonly after: string;
  /** Keys that share what is up to this (beyond the prefix) are told as one; empty: none are. */
  readonly delimiter: string;
}

/** A key with the path of its file, or what several keys begin with. */
export type Walked =
  | { readonly key: string; readonly path: string; readonly prefix?: undefined }
  | { readonly prefix: string };

interface Entry {
  readonly name: string;
  /** The key, or what all keys in this directory begin with. */
  readonly key: string;
  readonly object: boolean;
}

/** So many entries of a directory are held at a time; further ones are read again. */
const batch = 1024;

const sortAndCut = (entries: Entry[]): void => {
  entries.sort((a, b) => compareText(a.key, b.key));
  if (entries.length > batch) entries.length = batch;
};

const openDirectory = async (path: string): Promise<AsyncIterable<Dirent>> => {
  try {
    return await opendir(path, { bufferSize: 512 });
  } catch (error) {
    // Removed meanwhile, with its last object.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return Readable.from([]);
    throw error;
  }
};

/** The first entries of a directory, in order, for which `wanted` holds; `more` when there are others. */
const readBatch = async (
  path: string,
  base: string,
  wanted: (entry: Entry) => boolean,
): Promise<{ entries: readonly Entry[]; more: boolean }> => {
  const entries: Entry[] = [];
  let more = false;
  for await (const dirent of await openDirectory(path)) {
    const named = parseName(dirent.name, dirent.isDirectory());
    if (!named || !(named.object ? dirent.isFile() : dirent.isDirectory())) continue;
    const entry = { name: dirent.name, key: base + named.text, object: named.object };
    if (!wanted(entry)) continue;
    entries.push(entry);
    if (entries.length < 4 * batch) continue;
    sortAndCut(entries);
    more = true;
  }
  more ||= entries.length > batch;
  sortAndCut(entries);
  return { entries, more };
};

/** Whether there is any object in a directory or below. */
const holdsObjects = async (path: string): Promise<boolean> => {
  for await (const dirent of await openDirectory(path)) {
    const named = parseName(dirent.name, dirent.isDirectory());
    if (!named) continue;
    if (named.object ? dirent.isFile() : await holdsObjects(join(path, dirent.name))) return true;
  }
  return false;
};

/**
 * The keys below a directory of objects.
 *
 * @param root - the directory of objects
 */
export async function* walk(root: string, query: WalkQuery): AsyncGenerator<Walked> {
  const { prefix, after, delimiter } = query;
  const groupOf = (key: string): string | undefined => {
    if (delimiter === '' || !key.startsWith(prefix)) return undefined;
    const at = key.indexOf(delimiter, prefix.length);
    return at === -1 ? undefined : key.slice(0, at + delimiter.length);
  };

  // The last one told: the page before may have ended with it.
  let told = groupOf(after) === after ? after : '';

  const wanted = ({ key, object }: Entry): boolean => {
    if (told !== '' && key.startsWith(told)) return false;
    if (object) return key.startsWith(prefix) && compareText(key, after) > 0;
    return (key.startsWith(prefix) || prefix.startsWith(key)) && (compareText(key, after) > 0 || after.startsWith(key));
  };

  async function* below(path: string, base: string): AsyncGenerator<Walked> {
    for (let last: string | undefined; ; ) {
      const from = last;
      const { entries, more } = await readBatch(
        path,
        base,
        (entry) => (from === undefined || compareText(entry.key, from) > 0) && wanted(entry),
      );
      for (const entry of entries) {
        if (told !== '' && entry.key.startsWith(told)) continue;
        const group = groupOf(entry.key);
        const at = join(path, entry.name);
        if (entry.object) {
          if (group === undefined) yield { key: entry.key, path: at };
          else {
            told = group;
            yield { prefix: group };
          }
        } else if (group === undefined || after.startsWith(entry.key)) yield* below(at, entry.key);
        else if (await holdsObjects(at)) {
          told = group;
          yield { prefix: group };
        }
      }
      if (!more) return;
      last = entries.at(-1)?.key;
    }
  }

  // All keys with this prefix are in the directory that its part before the last slash leads to.
  const base = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const names = base === '' ? [] : objectNames(base).slice(0, -1);
  yield* below(join(root, ...names), base);
}

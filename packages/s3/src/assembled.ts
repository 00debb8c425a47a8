/**
 * The data of objects that were uploaded in parts. The parts stay the files that they are: completing an upload moves its directory,
 * however much is in it, and needs no room for a second copy.
 */
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { discardDirectory, type Layout, temporaryPath } from './layout.ts';
import { openObjectFile, readData } from './object-file.ts';

const partList = z.array(z.object({ number: z.number().int(), size: z.number().int() }));
/** The parts of an object in order, with the bytes in each. */
export type PartList = z.infer<typeof partList>;

const listFile = 'parts.json';

/** Writes a file whole or not at all. */
export const writeWhole = async (layout: Layout, path: string, text: string): Promise<void> => {
  const temporary = temporaryPath(layout);
  await writeFile(temporary, text, { mode: 0o600 });
  const file = await open(temporary, 'r+');
  await file.datasync().finally(() => file.close());
  await rename(temporary, path);
};

/** Notes which parts, in which order, an upload's directory stands for. */
export const writePartList = (layout: Layout, directory: string, parts: PartList): Promise<void> =>
  writeWhole(layout, join(directory, listFile), JSON.stringify(parts));

export const readPartList = async (directory: string): Promise<PartList> =>
  partList.parse(JSON.parse(await readFile(join(directory, listFile), 'utf8')));

/** The bytes from `start` up to but without `end` of the parts put together. */
export async function* readParts(
  directory: string,
  parts: PartList,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  let offset = 0;
  for (const { number, size } of parts) {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, size);
    offset += size;
    if (from >= to) continue;
    await using part = await openObjectFile(join(directory, String(number)));
    if (!part) throw new Error(`Part ${number} of the object is missing`);
    yield* readData(part.file, from, to);
  }
}

/** The directories of assembled data in use, so that what is being read stays until that is done. */
export interface Assembled {
  directory(id: string): string;
  /** Keeps the data until disposed. */
  retain(id: string): AsyncDisposable;
  /** Removes the data, now or with the end of the last reading. */
  discard(id: string): Promise<void>;
  /** Whether it is to be removed. */
  isDoomed(id: string): boolean;
}

export const createAssembled = (layout: Layout): Assembled => {
  const readers = new Map<string, number>();
  const doomed = new Set<string>();
  const directory = (id: string): string => join(layout.assembled, id);

  const remove = async (id: string): Promise<void> => {
    await discardDirectory(layout, directory(id));
    doomed.delete(id);
  };

  return {
    directory,
    isDoomed: (id) => doomed.has(id),
    retain(id) {
      readers.set(id, (readers.get(id) ?? 0) + 1);
      return {
        async [Symbol.asyncDispose]() {
          const left = (readers.get(id) ?? 1) - 1;
          if (left > 0) {
            readers.set(id, left);
            return;
          }
          readers.delete(id);
          if (doomed.has(id)) await remove(id);
        },
      };
    },
    async discard(id) {
      doomed.add(id);
      if (!readers.has(id)) await remove(id);
    },
  };
};

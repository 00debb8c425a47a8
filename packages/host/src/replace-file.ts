import { readFile, rename, writeFile } from 'node:fs/promises';
import { isErrno } from './errno.ts';

/** The text of a file, or undefined when there is none. */
export const readOptional = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/**
 * Puts a text in the place of a file at once: a reader, or a start after a crash, sees the old or the new one.
 *
 * @param mode - permissions; the default lets a service that gave up its privileges read it
 */
export const replaceFile = async (path: string, text: string, mode = 0o644): Promise<void> => {
  // Always the same name: what a crash leaves is overwritten by the next change.
  const next = `${path}.new`;
  await writeFile(next, text, { mode });
  await rename(next, path);
};

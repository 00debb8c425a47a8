import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attachment } from '@lxd-ts/driver-kit';
import { readOptional, replaceFile } from '@lxd-ts/host';

const fileOf = (directory: string): string => join(directory, 'attachments.json');
const changingFileOf = (directory: string): string => join(directory, 'changing.json');

/** What one of the functions here wrote, by us and for us alone; undefined when there is no file. */
const load = async <T>(file: string): Promise<T | undefined> => {
  const text = await readOptional(file);
  if (text === undefined) return undefined;
  const saved: T = JSON.parse(text);
  return saved;
};

/**
 * Keeps what was attached to a running instance beside its device files, so that a daemon that finds the instance running
 * can still detach it.
 *
 * @param directory - the instance's device directory
 */
export const saveAttachments = (directory: string, attachments: readonly Attachment[]): Promise<void> =>
  replaceFile(fileOf(directory), JSON.stringify(attachments), 0o600);

/** What `saveAttachments` wrote; nothing when there is no file. */
export const loadAttachments = async (directory: string): Promise<Attachment[]> =>
  (await load<Attachment[]>(fileOf(directory))) ?? [];

/** What is about to change about a running instance. */
export interface Changing {
  /** Names of devices. */
  readonly devices: readonly string[];
  /** Configuration keys that act on it at once. */
  readonly keys: readonly string[];
}

/** Notes what is about to change about a running instance: how that is is in doubt, should the daemon die now. */
export const saveChanging = (directory: string, changing: Changing): Promise<void> =>
  replaceFile(changingFileOf(directory), JSON.stringify(changing), 0o600);

/** What `saveChanging` wrote; nothing when there is no file. */
export const loadChanging = async (directory: string): Promise<Changing> =>
  (await load<Changing>(changingFileOf(directory))) ?? { devices: [], keys: [] };

/** The instance is as the record says. */
export const forgetChanging = (directory: string): Promise<void> => rm(changingFileOf(directory), { force: true });

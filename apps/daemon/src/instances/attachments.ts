import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attachment } from '@lxd-ts/driver-kit';
import { readOptional, replaceFile } from '@lxd-ts/host';

const fileOf = (directory: string): string => join(directory, 'attachments.json');
const changingFileOf = (directory: string): string => join(directory, 'changing.json');

/** What one of the functions here wrote, by us and for us alone; nothing when there is no file. */
const load = async <T>(file: string): Promise<T[]> => {
  const text = await readOptional(file);
  const saved: T[] = text === undefined ? [] : JSON.parse(text);
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
export const loadAttachments = (directory: string): Promise<Attachment[]> => load<Attachment>(fileOf(directory));

/** Notes which devices of a running instance are about to change: how they are is in doubt, should the daemon die now. */
export const saveChanging = (directory: string, devices: readonly string[]): Promise<void> =>
  replaceFile(changingFileOf(directory), JSON.stringify(devices), 0o600);

/** What `saveChanging` wrote; nothing when there is no file. */
export const loadChanging = (directory: string): Promise<string[]> => load<string>(changingFileOf(directory));

/** The devices are as the record says. */
export const forgetChanging = (directory: string): Promise<void> => rm(changingFileOf(directory), { force: true });

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attachment } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';

const fileOf = (directory: string): string => join(directory, 'attachments.json');

/**
 * Keeps what was attached to a running instance beside its device files, so that a daemon that finds the instance running
 * can still detach it.
 *
 * @param directory - the instance's device directory
 */
export const saveAttachments = (directory: string, attachments: readonly Attachment[]): Promise<void> =>
  writeFile(fileOf(directory), JSON.stringify(attachments), { mode: 0o600 });

/** What `saveAttachments` wrote, by us and for us alone; nothing when there is no file. */
export const loadAttachments = async (directory: string): Promise<Attachment[]> => {
  try {
    const saved: Attachment[] = JSON.parse(await readFile(fileOf(directory), 'utf8'));
    return saved;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

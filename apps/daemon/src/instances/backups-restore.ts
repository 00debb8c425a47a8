import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, type Config, type Work } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { instanceLayout, type Located } from '../backups/archive.ts';
import { restoreBackup } from '../backups/restore.ts';
import type { BackupIndex } from './backups-record.ts';
import { unshiftRoot } from './root-ids.ts';

/** What a volume may have at its top; anything else, a symlink in place of it above all, would mislead who uses it. */
const checkVolume = async (path: string): Promise<void> => {
  const kinds = { rootfs: 'directory', templates: 'directory', 'metadata.yaml': 'file' } as const;
  for (const [name, kind] of Object.entries(kinds)) {
    try {
      const stats = await lstat(join(path, name));
      if (kind === 'directory' ? stats.isDirectory() : stats.isFile()) continue;
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      if (name !== 'rootfs') continue;
    }
    throw badRequest(`The backup is damaged: its "${name}" is missing or not a ${kind}`);
  }
};

/** Makes an instance's root volume and its snapshots of a backup. What a failure leaves is the caller's to remove. */
export const restoreInstance = (
  file: string,
  index: BackupIndex,
  located: Located,
  scratch: string,
  work: Work,
): Promise<void> => {
  const { container, snapshots } = index.config;
  const configOf = (snapshot: string | undefined): Config =>
    snapshot === undefined ? container.config : (snapshots.find(({ name }) => name === snapshot)?.config ?? {});
  return restoreBackup(
    {
      file,
      scratch,
      layout: instanceLayout,
      snapshots: index.snapshots,
      optimized: index.optimized === true,
      located,
      stage: 'create_instance_from_backup',
      // Written anew, since it tells of another server; and never followed, should it be a symlink.
      unpacking: (member) => ({ exclude: [`${member}/backup.yaml`] }),
      async finish(path, snapshot, own) {
        await checkVolume(path);
        // A server that shifts ids says in the instance's configuration how.
        await unshiftRoot(path, configOf(snapshot), own);
      },
    },
    work,
  );
};

/**
 * The files of backups, in LXD's layout: `backup/index.yaml`, then for each snapshot `backup/<snapshots>/<name>`, then
 * `backup/<volume>`, each with what is in the volume; disks are files `<name>.img`. In the storage driver's own format they are streams,
 * `<name>.bin`, each the difference to the one before.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, copyRawDisk, isKind, messageOf, notImplemented, type Volume, type Work } from '@lxd-ts/driver-kit';
import { fileFormat, isCompression, type NamedTree, packTrees, tarMembers } from '@lxd-ts/host';
import { stringify } from 'yaml';
import { fileChunk } from '../core/file-chunk.ts';
import type { OpenPool } from '../storage/pools.ts';
import type { BackupTarget } from './keeper.ts';

/** An index larger than this is none. */
const maxIndex = 16 * 1024 * 1024;

/** What a volume and its snapshots are called below `backup/`. */
export interface BackupLayout {
  readonly volume: string;
  readonly snapshots: string;
}
export const instanceLayout: BackupLayout = { volume: 'container', snapshots: 'snapshots' };
export const volumeLayout: BackupLayout = { volume: 'volume', snapshots: 'volume-snapshots' };

/** The name of a state of a volume in the archive, without the ending of its kind. */
export const memberOf = (layout: BackupLayout, snapshot: string | undefined): string =>
  `backup/${snapshot === undefined ? layout.volume : `${layout.snapshots}/${snapshot}`}`;

/** A volume in its pool. */
export interface Located {
  readonly open: OpenPool;
  readonly volume: Volume;
}

/** Tells how many bytes are done, and how fast. */
export const byteProgress = (work: Work, stage: string): ((bytes: number) => void) => {
  const begun = Date.now();
  return (bytes) => {
    const elapsed = (Date.now() - begun) / 1000;
    work.progress?.({ stage, bytes, ...(elapsed > 0 ? { speed: bytes / elapsed } : {}) });
  };
};

export interface WriteOptions extends Pick<BackupTarget, 'file' | 'scratch' | 'optimized' | 'compression'> {
  readonly layout: BackupLayout;
  readonly index: object;
  readonly located: Located;
  /** Oldest first. */
  readonly snapshots: readonly string[];
}

/** The states of a volume: its snapshots, oldest first, and what it is now. */
const statesOf = ({ located: { volume }, snapshots }: Pick<WriteOptions, 'located' | 'snapshots'>): Volume[] => [
  ...snapshots.map((snapshot) => ({ ...volume, snapshot })),
  volume,
];

/** The streams of a volume and its snapshots, in files below a directory. */
const sendAll = async (options: WriteOptions, work: Work): Promise<NamedTree[]> => {
  const { storage } = options.located.open;
  if (!storage.send) throw notImplemented(`Pool "${storage.name}" has no format of its own for backups`);
  const trees: NamedTree[] = [];
  for (const [at, state] of statesOf(options).entries()) {
    const path = join(options.scratch, `${at}.bin`);
    await storage.send(
      state,
      options.snapshots[at - 1],
      createWriteStream(path, { mode: 0o600, highWaterMark: fileChunk }),
      work,
    );
    trees.push({ path, name: `${memberOf(options.layout, state.snapshot)}.bin` });
  }
  return trees;
};

/** A disk as a file: a block device is copied to one, for an archive holds files. */
const diskFileOf = async (disk: string, copy: string, work: Work): Promise<string> => {
  if (!(await stat(disk)).isBlockDevice()) return disk;
  await copyRawDisk(disk, copy, work);
  return copy;
};

/** Writes a backup. On failure, a full disk for instance, no file is left. */
export const writeBackup = async (options: WriteOptions, work: Work): Promise<void> => {
  const { file, scratch, layout, index, located, optimized, compression } = options;
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await using mounts = new AsyncDisposableStack();
  mounts.defer(() => rm(scratch, { recursive: true, force: true }));
  const indexFile = join(scratch, 'index.yaml');
  await writeFile(indexFile, stringify(index, { lineWidth: 0, aliasDuplicateObjects: false }));
  const trees: NamedTree[] = [{ path: indexFile, name: 'backup/index.yaml' }];
  if (optimized) {
    trees.push(...(await sendAll(options, work)));
  } else {
    for (const [at, state] of statesOf(options).entries()) {
      const { path, disk } = mounts.use(await located.open.storage.mountVolume(state));
      const name = memberOf(layout, state.snapshot);
      if (disk === undefined) trees.push({ path, name });
      else trees.push({ path: await diskFileOf(disk, join(scratch, `${at}.img`), work), name: `${name}.img` });
    }
  }
  await packTrees(trees, file, {
    compression,
    ...(work.signal ? { signal: work.signal } : {}),
    onProgress: byteProgress(work, 'create_backup'),
  });
};

/** Reads the text of a backup's index. @throws LxdError bad-request when the file is no backup */
export const readIndex = async (file: string): Promise<string> => {
  const format = await fileFormat(file);
  if (format !== 'tar' && !isCompression(format)) throw badRequest('The file is not a backup: Unsupported compression');
  try {
    for await (const { name, isFile, size, read } of tarMembers(file)) {
      if (!isFile || name !== 'backup/index.yaml') continue;
      if (size > maxIndex) throw badRequest('The index of the backup is too large');
      return (await read()).toString('utf8');
    }
  } catch (error) {
    throw isKind(error) ? error : badRequest(`The file is not a backup: ${messageOf(error)}`, { cause: error });
  }
  throw badRequest('The file is not a backup: it has no backup/index.yaml');
};

/** Makes volumes and their snapshots of backups. What a failure leaves is the caller's to remove. */
import { createReadStream } from 'node:fs';
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, copyRawDisk, type MountedVolume, messageOf, parseSize, type Work } from '@lxd-ts/driver-kit';
import { CommandError, isErrno, type UnpackOptions, unpack } from '@lxd-ts/host';
import { type BackupLayout, byteProgress, type Located, memberOf } from './archive.ts';

export interface RestoreOptions {
  readonly file: string;
  /** A directory that is made for what is put together on the way; removed in the end. */
  readonly scratch: string;
  readonly layout: BackupLayout;
  /** Names, oldest first. */
  readonly snapshots: readonly string[];
  /** In a driver's own format. */
  readonly optimized: boolean;
  readonly located: Located;
  /** The stage of the progress that is told. */
  readonly stage: string;
  /** How files are taken out of the archive, by the name of the directory that has them. */
  readonly unpacking: (member: string) => Pick<UnpackOptions, 'exclude' | 'itself'>;
  /**
   * Checks and mends the files that were taken in: those of the volume or, unless that is in the driver's own format, of a snapshot (by its
   * name) before it is made.
   */
  readonly finish: (path: string, snapshot: string | undefined, work: Work) => Promise<void>;
}

const signalOf = ({ signal }: Work) => (signal ? { signal } : {});

/** Runs what reads the archive. @throws LxdError bad-request when the archive is damaged */
const reading = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandError || isErrno(error, 'ENOENT'))
      throw badRequest(`The backup is damaged: ${messageOf(error)}`, { cause: error });
    throw error;
  }
};

/** A file taken out of the archive. @throws LxdError bad-request when it is missing or none */
const extracted = async (scratch: string, member: string): Promise<string> => {
  const path = join(scratch, member.slice('backup/'.length));
  const { found } = await reading(async () => ({ found: await lstat(path) }));
  if (!found.isFile()) throw badRequest(`The backup is damaged: ${member} is not a file`);
  return path;
};

const receiveStreams = async (options: RestoreOptions, work: Work): Promise<void> => {
  const { scratch, layout, snapshots, located } = options;
  const { storage } = located.open;
  if (!storage.receive) throw badRequest('The backup is in the format of another storage driver');
  let base: string | undefined;
  for (const snapshot of [...snapshots, undefined]) {
    const stream = await extracted(scratch, `${memberOf(layout, snapshot)}.bin`);
    const target = snapshot === undefined ? located.volume : { ...located.volume, snapshot };
    await storage.receive(target, base, createReadStream(stream), work);
    base = snapshot;
  }
  if (located.volume.content !== 'filesystem') return;
  await using mounted = await storage.mountVolume(located.volume);
  await options.finish(mounted.path, undefined, work);
};

/** Makes each state of a volume in turn, the oldest first; later ones on top of those before. */
const eachState = async (
  { snapshots, located: { open, volume } }: RestoreOptions,
  work: Work,
  write: (mounted: MountedVolume, snapshot: string | undefined, work: Work) => Promise<void>,
): Promise<void> => {
  const { storage } = open;
  for (const [at, snapshot] of [...snapshots, undefined].entries()) {
    if (at === 0) {
      await storage.createVolume(volume, (mounted, own) => write(mounted, snapshot, own), work);
    } else {
      await using mounted = await storage.mountVolume(volume);
      await write(mounted, snapshot, work);
    }
    if (snapshot !== undefined) await storage.createSnapshot({ ...volume, snapshot }, work);
  }
};

const restoreDisks = async (options: RestoreOptions, work: Work): Promise<void> => {
  const { scratch, layout, located } = options;
  const { size } = await lstat(await extracted(scratch, `${memberOf(layout, undefined)}.img`));
  const { config } = located.volume;
  // A driver that rounds sizes up has saved more than was asked for.
  const fits = config['size'] !== undefined && parseSize(config['size']) >= size;
  const sized = fits ? located.volume : { ...located.volume, config: { ...config, size: `${size}B` } };
  await eachState({ ...options, located: { ...located, volume: sized } }, work, async ({ disk }, snapshot, own) => {
    if (disk === undefined) throw new TypeError(`Volume "${located.volume.name}" was made without a disk`);
    await copyRawDisk(await extracted(scratch, `${memberOf(layout, snapshot)}.img`), disk, own);
  });
};

const restoreFiles = (options: RestoreOptions, work: Work): Promise<void> =>
  eachState(options, work, async ({ path }, snapshot, own) => {
    const member = memberOf(options.layout, snapshot);
    for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true });
    await reading(() =>
      unpack(options.file, path, {
        below: member,
        ...options.unpacking(member),
        ...signalOf(own),
        onProgress: byteProgress(work, options.stage),
      }),
    );
    await options.finish(path, snapshot, own);
  });

export const restoreBackup = async (options: RestoreOptions, work: Work): Promise<void> => {
  const { file, scratch, optimized, located } = options;
  if (!optimized && located.volume.content === 'filesystem') return restoreFiles(options, work);
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(scratch, { recursive: true, force: true }));
  await reading(() =>
    unpack(file, scratch, { below: 'backup', ...signalOf(work), onProgress: byteProgress(work, options.stage) }),
  );
  await (optimized ? receiveStreams(options, work) : restoreDisks(options, work));
};

/**
 * The files of instance backups, in LXD's layout: `backup/index.yaml`, then for each snapshot `backup/snapshots/<name>`, then
 * `backup/container`, each with what is in the volume; in the storage driver's own format they are streams,
 * `backup/snapshots/<name>.bin` and `backup/container.bin`, each the difference to the one before.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { badRequest, type Config, messageOf, notImplemented, type Volume, type Work } from '@lxd-ts/driver-kit';
import {
  CommandError,
  decompressor,
  fileFormat,
  isCompression,
  isErrno,
  type NamedTree,
  packTrees,
  parseIdMapJson,
  shiftTree,
  spawnStream,
  unpack,
} from '@lxd-ts/host';
import { stringify } from 'yaml';
import type { OpenPool } from '../storage/pools.ts';
import { type BackupIndex, parseIndex } from './backups-record.ts';

/** An index larger than this is none. */
const maxIndex = 16 * 1024 * 1024;

/** A volume in its pool. */
export interface Located {
  readonly open: OpenPool;
  readonly volume: Volume;
}

/** Tells how many bytes are done, and how fast. */
const byteProgress = (work: Work, stage: string): ((bytes: number) => void) => {
  const begun = Date.now();
  return (bytes) => {
    const elapsed = (Date.now() - begun) / 1000;
    work.progress?.({ stage, bytes, ...(elapsed > 0 ? { speed: bytes / elapsed } : {}) });
  };
};

/** The streams of a volume and its snapshots, in files below a directory. */
const sendAll = async (
  { open: { storage }, volume }: Located,
  snapshots: readonly string[],
  to: string,
  work: Work,
) => {
  if (!storage.send) throw notImplemented(`Pool "${storage.name}" has no format of its own for backups`);
  const trees: NamedTree[] = [];
  let base: string | undefined;
  for (const snapshot of [...snapshots, undefined]) {
    const path = join(to, snapshot === undefined ? 'container.bin' : `${snapshot}.bin`);
    const source = snapshot === undefined ? volume : { ...volume, snapshot };
    await storage.send(source, base, createWriteStream(path, { mode: 0o600 }), work);
    trees.push({ path, name: snapshot === undefined ? 'backup/container.bin' : `backup/snapshots/${snapshot}.bin` });
    base = snapshot;
  }
  return trees;
};

export interface WriteOptions {
  readonly file: string;
  /** A directory for what is put together on the way, on the same file system; removed in the end. */
  readonly scratch: string;
  readonly index: object;
  readonly located: Located;
  /** Oldest first. */
  readonly snapshots: readonly string[];
  readonly optimized: boolean;
  /** As the host's `pack` takes it. */
  readonly compression: string;
}

/** Writes a backup. On failure, a full disk for instance, no file is left. */
export const writeBackup = async (options: WriteOptions, work: Work): Promise<void> => {
  const { file, scratch, index, located, snapshots, optimized, compression } = options;
  const { storage } = located.open;
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await using mounts = new AsyncDisposableStack();
  mounts.defer(() => rm(scratch, { recursive: true, force: true }));
  const indexFile = join(scratch, 'index.yaml');
  await writeFile(indexFile, stringify(index, { lineWidth: 0, aliasDuplicateObjects: false }));
  const trees: NamedTree[] = [{ path: indexFile, name: 'backup/index.yaml' }];
  if (optimized) {
    trees.push(...(await sendAll(located, snapshots, scratch, work)));
  } else {
    for (const snapshot of snapshots) {
      const mounted = mounts.use(await storage.mountVolume({ ...located.volume, snapshot }));
      trees.push({ path: mounted.path, name: `backup/snapshots/${snapshot}` });
    }
    trees.push({ path: mounts.use(await storage.mountVolume(located.volume)).path, name: 'backup/container' });
  }
  await packTrees(trees, file, {
    compression,
    ...(work.signal ? { signal: work.signal } : {}),
    onProgress: byteProgress(work, 'create_backup'),
  });
};

/** The programs that write members of an archive to standard output. */
const extractor = async (file: string, member: string) => {
  const format = await fileFormat(file);
  if (format !== 'tar' && !isCompression(format)) throw badRequest('The file is not a backup: Unsupported compression');
  const tar = ['tar', '--extract', '--file=-', '--to-stdout', '--occurrence=1', '--', member] as const;
  return isCompression(format) ? ([(await decompressor(format)).argv, [...tar]] as const) : ([[...tar]] as const);
};

/** Reads the index of a backup. @throws LxdError bad-request when the file is no backup of an instance */
export const readIndex = async (file: string): Promise<BackupIndex> => {
  const [first, ...more] = await extractor(file, 'backup/index.yaml');
  await using handle = await open(file);
  const stream = spawnStream([[...first], ...more.map((argv): typeof argv => argv)], { stdin: handle.fd });
  if (!stream.stdout) throw new TypeError('standard output was asked for');
  let size = 0;
  const limited = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > maxIndex) throw badRequest('The index of the backup is too large');
      yield chunk;
    }
  };
  const yaml = await textOf(limited(stream.stdout));
  try {
    await stream.done;
  } catch (error) {
    // tar ends when it has what it looked for; the programs before it may not like that.
    if (yaml === '') throw badRequest(`The file is not a backup: ${messageOf(error)}`, { cause: error });
  }
  if (yaml === '') throw badRequest('The file is not a backup: it has no backup/index.yaml');
  return parseIndex(yaml);
};

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

/** Ids on disk are those inside, here; a server that shifts them says in the instance's configuration how. */
const unshift = async (path: string, config: Config, { signal }: Work): Promise<void> => {
  const from = parseIdMapJson(config['volatile.last_state.idmap'] ?? '');
  if (from.length > 0) await shiftTree(join(path, 'rootfs'), { from, ...(signal ? { signal } : {}) });
};

/** Makes a directory hold what is below `member` in the archive, with ids as inside. */
const extract = async (file: string, member: string, path: string, config: Config, work: Work): Promise<void> => {
  for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true });
  try {
    await unpack(file, path, {
      below: member,
      // Written anew, since it tells of another server; and never followed, should it be a symlink.
      exclude: [`${member}/backup.yaml`],
      ...(work.signal ? { signal: work.signal } : {}),
      onProgress: byteProgress(work, 'create_instance_from_backup'),
    });
  } catch (error) {
    if (error instanceof CommandError) throw badRequest(`The backup is damaged: ${messageOf(error)}`, { cause: error });
    throw error;
  }
  await checkVolume(path);
  await unshift(path, config, work);
};

/** Makes the volume and its snapshots of the streams in a backup. */
const receiveAll = async (
  file: string,
  index: BackupIndex,
  { open: { storage }, volume }: Located,
  scratch: string,
  work: Work,
) => {
  if (!storage.receive) throw badRequest(`The backup is in the format of ${index.backend}: import it into such a pool`);
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(scratch, { recursive: true, force: true }));
  await unpack(file, scratch, { below: 'backup', ...(work.signal ? { signal: work.signal } : {}) });
  let base: string | undefined;
  for (const snapshot of [...index.snapshots, undefined]) {
    const stream = join(scratch, snapshot === undefined ? 'container.bin' : `snapshots/${snapshot}.bin`);
    if (!(await lstat(stream)).isFile()) throw badRequest('The backup is damaged: a stream is not a file');
    const target = snapshot === undefined ? volume : { ...volume, snapshot };
    await storage.receive(target, base, createReadStream(stream), work);
    base = snapshot;
  }
  await using mounted = await storage.mountVolume(volume);
  await checkVolume(mounted.path);
  await unshift(mounted.path, index.config.container.config, work);
};

/** Makes a volume and its snapshots of a backup. What a failure leaves is the caller's to remove. */
export const restoreBackup = async (
  file: string,
  index: BackupIndex,
  located: Located,
  scratch: string,
  work: Work,
): Promise<void> => {
  if (index.optimized) return receiveAll(file, index, located, scratch, work);
  const {
    open: { storage },
    volume,
  } = located;
  const { container, snapshots } = index.config;
  const states = [
    ...index.snapshots.map((name) => ({
      name,
      member: `backup/snapshots/${name}`,
      config: snapshots.find((one) => one.name === name)?.config ?? {},
    })),
    { name: undefined, member: 'backup/container', config: container.config },
  ];
  for (const [at, { name, member, config }] of states.entries()) {
    if (at === 0) {
      await storage.createVolume(volume, (mounted) => extract(file, member, mounted.path, config, work), work);
    } else {
      await using mounted = await storage.mountVolume(volume);
      await extract(file, member, mounted.path, config, work);
    }
    if (name !== undefined) await storage.createSnapshot({ ...volume, snapshot: name }, work);
  }
};

/**
 * Sending and receiving volumes. A volume without nested subvolumes is sent as exactly what `btrfs send` writes (also what LXD
 * itself sends and keeps in optimised backups). One with nested subvolumes is sent as a header that lists them, followed by one such
 * stream for each, the top first; the top alone is sent as a difference.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import {
  badRequest,
  incompleteDirectory,
  makeDirectory,
  messageOf,
  type Work,
  withDirectory,
} from '@lxd-ts/driver-kit';
import { spawnStream } from '@lxd-ts/host';
import { z } from 'zod';
import { isReadOnly } from './ioctl.ts';
import { assembleTree, flattenTree, isNestedName, nestedName } from './subvolumes.ts';

const magic = Buffer.from('lxd-ts-btrfs-tree-1\n');
const headerLength = magic.length + 4;
const maximumHeader = 16 * 1024 ** 2;

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`The stream's header is not JSON: ${messageOf(error)}`, { cause: error });
  }
};

const treeShape = z.array(
  z.object({
    /** Bytes of the path below the top, as base64; empty: the top. */
    path: z.base64(),
    readOnly: z.boolean(),
  }),
);

/** Deletes a subvolume, or nothing. */
type Remove = (path: string) => Promise<void>;

/** A directory for subvolumes that are on their way, removed with them when disposed of. */
const temporary = async (root: string, remove: Remove): Promise<{ path: string } & AsyncDisposable> => {
  await makeDirectory(incompleteDirectory(root), 0o700);
  const path = join(incompleteDirectory(root), randomUUID());
  await mkdir(path, { mode: 0o700 });
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const name of await readdir(path)) await remove(join(path, name));
      await rmdir(path);
    },
  };
};

const sendOne = async (path: string, base: string | undefined, to: Writable, work: Work): Promise<void> => {
  const sender = spawnStream([['btrfs', '--quiet', 'send', ...(base === undefined ? [] : ['-p', base]), path]], {
    debianPackage: 'btrfs-progs',
    ...(work.signal ? { signal: work.signal } : {}),
  });
  if (!sender.stdout) throw new TypeError('standard output was asked for');
  let bytes = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      work.progress?.({ stage: 'fs', bytes });
      yield chunk;
    }
  };
  await Promise.all([pipeline(sender.stdout, counted, to, { end: false }), sender.done]);
};

/**
 * Sends the subvolume at `path` with those nested in it, as the difference to the snapshot at `base` if given, and ends the stream.
 *
 * @param root - the pool's path: temporary snapshots are made there, since only what is read-only can be sent
 */
export const sendTree = async (
  root: string,
  path: string,
  base: string | undefined,
  to: Writable,
  remove: Remove,
  work: Work = {},
): Promise<void> => {
  await using copies = await temporary(root, remove);
  const parts = await flattenTree(path, copies.path);
  if (parts.length > 1) {
    const tree = parts.map((part) => ({ path: part.path.toString('base64'), readOnly: part.readOnly }));
    const text = Buffer.from(JSON.stringify(tree));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    to.write(Buffer.concat([magic, length, text]));
  }
  for (const [at, part] of parts.entries()) await sendOne(part.source, at === 0 ? base : undefined, to, work);
  to.end();
  await finished(to, { readable: false });
};

/** Reads the header, if there is one, and gives back the rest of the stream. */
const readHeader = async (
  from: Readable,
): Promise<{ tree: z.infer<typeof treeShape>; rest: AsyncIterable<Buffer> }> => {
  const chunks: AsyncIterator<Buffer> = from[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  const need = async (length: number): Promise<boolean> => {
    while (start.length < length) {
      const next = await chunks.next();
      if (next.done) return false;
      start = Buffer.concat([start, next.value]);
    }
    return true;
  };
  const rest = async function* (): AsyncIterable<Buffer> {
    try {
      yield start;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  };
  const single = [{ path: '', readOnly: true }];
  if (!(await need(headerLength)) || !start.subarray(0, magic.length).equals(magic))
    return { tree: single, rest: rest() };
  const length = start.readUInt32LE(magic.length);
  if (length > maximumHeader || !(await need(headerLength + length)))
    throw badRequest('The stream has no whole header');
  const tree = treeShape.safeParse(parseJson(start.toString('utf8', headerLength, headerLength + length)));
  if (!tree.success) throw badRequest(`The stream's header is wrong: ${z.prettifyError(tree.error)}`);
  start = start.subarray(headerLength + length);
  return { tree: tree.data, rest: rest() };
};

/**
 * Receives what `sendTree` wrote, as the subvolume `target`, which does not exist.
 *
 * @param snapshot - whether the target is a snapshot, and so read-only
 */
export const receiveTree = async (
  root: string,
  target: string,
  snapshot: boolean,
  from: Readable,
  remove: Remove,
  work: Work = {},
): Promise<void> => {
  await using parts = await temporary(root, remove);
  const { tree, rest } = await readHeader(from);
  const receiver = spawnStream([['btrfs', '--quiet', 'receive', parts.path]], {
    debianPackage: 'btrfs-progs',
    stdin: 'pipe',
    stdout: 'ignore',
    ...(work.signal ? { signal: work.signal } : {}),
  });
  if (!receiver.stdin) throw new TypeError('standard input was asked for');
  // When the receiver gives up, its own words tell why, not the broken pipe; unless the stream itself broke.
  const [end, fed] = await Promise.allSettled([receiver.done, pipeline(rest, receiver.stdin)]);
  if (from.errored) throw from.errored;
  for (const result of [end, fed]) {
    if (result.status === 'rejected') {
      throw badRequest(`The stream cannot be received: ${messageOf(result.reason)}`, { cause: result.reason });
    }
  }
  const names = await readdir(parts.path);
  const top = names.find((name) => !isNestedName(name)) ?? '';
  const sources = tree.map((_, at) => join(parts.path, at === 0 ? top : nestedName(at)));
  // A subvolume becomes read-only when its stream has come to its end.
  const whole = names.length === tree.length && sources.every((source) => withDirectory(source, isReadOnly));
  if (!whole) throw badRequest('The stream ended too early');
  await assembleTree(
    tree.map(({ path, readOnly }, at) => ({
      source: sources[at] ?? '',
      path: Buffer.from(path, 'base64'),
      readOnly: at === 0 ? snapshot : readOnly,
    })),
    target,
  );
};

/** Sending and receiving volumes as `rbd export-diff` writes them: one stream for each image, the metadata of a disk first. */
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { badRequest, dieWithUs, isKind, messageOf, type Work } from '@lxd-ts/driver-kit';
import { type Argv, spawnStream } from '@lxd-ts/host';
import { clusterArguments, explain, PATIENT, type TimeLimit, timeLimit } from '../cluster.ts';
import { byteReader, rewriteDiff } from './diff-stream.ts';
import type { Images } from './images.ts';

/** It tells its progress on standard error. */
const exportDiff = (images: Images, image: string, snapshot: string | undefined, base: string | undefined): Argv => [
  ...dieWithUs,
  'rbd',
  ...clusterArguments(images.cluster),
  'export-diff',
  ...(base === undefined ? [] : ['--from-snap', base]),
  images.spec(image, snapshot),
  '-',
];

const importDiff = (images: Images, image: string): Argv => [
  ...dieWithUs,
  ...images.guard,
  'rbd',
  ...clusterArguments(images.cluster),
  'import-diff',
  '--no-progress',
  '-',
  images.spec(image),
];

const limited = (images: Images, work: Work, what: string): TimeLimit & { readonly both: AbortSignal } => {
  const limit = timeLimit(PATIENT, `Ceph cluster "${images.cluster.name}" did not go on with ${what}`, images.noRoom);
  return Object.assign(limit, { both: AbortSignal.any([limit.signal, ...(work.signal ? [work.signal] : [])]) });
};

/** Passes chunks on. The limit runs while the next one is waited for, not while the consumer is. */
const watched = async function* (chunks: AsyncIterable<Buffer>, limit: TimeLimit, done: (bytes: number) => void) {
  for await (const chunk of chunks) {
    limit.pause();
    done(chunk.length);
    yield chunk;
    limit.again();
  }
};

/** Sends images, each as of a snapshot (undefined: as it is, and nobody writes to it), and ends the stream. */
export const sendImages = async (
  images: Images,
  names: readonly string[],
  snapshot: string | undefined,
  base: string | undefined,
  to: Writable,
  work: Work = {},
): Promise<void> => {
  let bytes = 0;
  const count = (length: number): void => {
    bytes += length;
    work.progress?.({ stage: 'fs', bytes });
  };
  try {
    for (const image of names) {
      using limit = limited(images, work, `sending "${image}"`);
      const sender = spawnStream([exportDiff(images, image, snapshot, base)], {
        debianPackage: 'ceph-common',
        signal: limit.both,
      });
      if (!sender.stdout) throw new TypeError('standard output was asked for');
      const piped = pipeline(sender.stdout, (chunks) => watched(chunks, limit, count), to, { end: false });
      await Promise.all([piped, sender.done]);
    }
    to.end();
    await finished(to, { readable: false });
  } catch (error) {
    throw explain(error, images.cluster);
  }
};

/**
 * Applies what `sendImages` wrote to images that are what they were at the snapshot `base`, or empty.
 *
 * @param snapshot - the RBD snapshot to make of it; undefined: none
 * @throws LxdError bad-request for a stream that is cut off or something else
 */
export const receiveImages = async (
  images: Images,
  names: readonly string[],
  { snapshot, base }: { readonly snapshot: string | undefined; readonly base: string | undefined },
  from: Readable,
  work: Work = {},
): Promise<void> => {
  const reader = byteReader(from);
  for (const image of names) {
    using limit = limited(images, work, `receiving "${image}"`);
    // The sender may take its time; writing may not.
    limit.pause();
    const receiver = spawnStream([importDiff(images, image)], {
      debianPackage: 'ceph-common',
      stdin: 'pipe',
      stdout: 'ignore',
      signal: limit.both,
    });
    if (!receiver.stdin) throw new TypeError('standard input was asked for');
    const chunks = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of rewriteDiff(reader, { base, to: snapshot })) {
        limit.again();
        yield chunk;
        limit.pause();
      }
      limit.again();
    };
    const [end, fed] = await Promise.allSettled([receiver.done, pipeline(chunks, receiver.stdin)]);
    work.signal?.throwIfAborted();
    limit.signal.throwIfAborted();
    if (from.errored) throw from.errored;
    if (fed.status === 'rejected' && isKind(fed.reason)) throw fed.reason;
    if (end.status === 'rejected') throw explain(end.reason, images.cluster, `"${image}"`);
    if (fed.status === 'rejected') {
      throw badRequest(`The stream cannot be received: ${messageOf(fed.reason)}`, { cause: fed.reason });
    }
  }
  if (!(await reader.ended())) throw badRequest('The stream goes on after its end: it is of another kind of volume');
};

/** Copies the difference between two snapshots of an image to a copy of it that ends at the first, and makes the second there. */
export const copyDiff = async (
  images: Images,
  source: string,
  target: string,
  base: string,
  snapshot: string,
  work: Work = {},
): Promise<void> => {
  using limit = limited(images, work, `copying "${source}"`);
  const commands = [exportDiff(images, source, snapshot, base), importDiff(images, target)] as const;
  try {
    const copying = spawnStream(commands, {
      debianPackage: 'ceph-common',
      stdout: 'ignore',
      signal: limit.both,
      onStderr: () => limit.again(),
    });
    await copying.done;
  } catch (error) {
    throw explain(error, images.cluster);
  }
};

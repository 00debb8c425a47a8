/** `zfs send` and `zfs receive` and the streams between them. */
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, dieWithUs, messageOf, type Work } from '@lxd-ts/driver-kit';
import { type Argv, spawnStream } from '@lxd-ts/host';
import { cancelledBy, complaint, debianPackage, explained } from './commands.ts';

/** What is sent: a snapshot, whole or as the difference to an earlier one or to the origin of the clone. */
export interface Sent {
  readonly snapshot: string;
  readonly base?: string | undefined;
}

const sendArguments = ({ snapshot, base }: Sent): Argv => [
  ...dieWithUs,
  'zfs',
  'send',
  // As it is on disk: large blocks, compressed, encrypted. Nothing is unpacked on the way.
  '-w',
  ...(base === undefined ? [] : ['-i', base]),
  snapshot,
];

/** @param properties - `key=value`, set on what is received */
const receiveArguments = (target: string, properties: readonly string[], origin?: string): Argv => [
  ...dieWithUs,
  'zfs',
  'receive',
  '-u',
  // What was written to the target since the common snapshot, be it an access time, gives way.
  '-F',
  ...properties.flatMap((one) => ['-o', one]),
  ...(origin === undefined ? [] : ['-o', `origin=${origin}`]),
  target,
];

/**
 * Copies a snapshot within the host.
 *
 * @param target - `dataset@snapshot`
 * @param options.clone - the base is not in the target but what the target is to be a clone of
 */
export const transfer = async (
  sent: Sent,
  target: string,
  options: { readonly properties?: readonly string[]; readonly clone?: boolean },
  work: Work | undefined,
): Promise<void> => {
  const receive = receiveArguments(target, options.properties ?? [], options.clone ? sent.base : undefined);
  try {
    await spawnStream([sendArguments(sent), receive], { debianPackage, stdout: 'ignore', ...cancelledBy(work) }).done;
  } catch (error) {
    throw explained(error);
  }
};

/** Counts what passes. */
const counted = (work: Work) => {
  let bytes = 0;
  return async function* (chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      work.progress?.({ stage: 'fs', bytes });
      yield chunk;
    }
  };
};

/** The stream of a snapshot, as bytes. */
export const sendBytes = async function* (sent: Sent, work: Work = {}): AsyncIterable<Buffer> {
  const sender = spawnStream([sendArguments(sent)], { debianPackage, ...cancelledBy(work) });
  if (!sender.stdout) throw new TypeError('standard output was asked for');
  try {
    yield* counted(work)(sender.stdout);
  } finally {
    // When the reader gives up, the program's pipe breaks, and it ends.
    sender.stdout.destroy();
  }
  try {
    await sender.done;
  } catch (error) {
    throw explained(error);
  }
};

/** Writes bytes to a stream and ends it; a failure destroys it. */
export const writeAll = (bytes: AsyncIterable<Buffer>, to: Writable): Promise<void> => pipeline(bytes, to);

/**
 * Receives a stream as a snapshot.
 *
 * @param target - `dataset@snapshot`
 * @throws LxdError bad-request when the stream cannot be received
 */
export const receiveBytes = async (
  bytes: AsyncIterable<Buffer> | Readable,
  target: string,
  properties: readonly string[],
  work: Work = {},
): Promise<void> => {
  const receiver = spawnStream([receiveArguments(target, properties)], {
    debianPackage,
    stdin: 'pipe',
    stdout: 'ignore',
    ...cancelledBy(work),
  });
  if (!receiver.stdin) throw new TypeError('standard input was asked for');
  const [end, fed] = await Promise.allSettled([receiver.done, pipeline(bytes, receiver.stdin)]);
  // A stream that broke tells why by itself; a receiver that gave up leaves a broken pipe behind, which says nothing.
  if (end.status === 'rejected') {
    work.signal?.throwIfAborted();
    const reason = explained(end.reason);
    if (complaint(reason) === 'full') throw reason;
    throw badRequest(`The stream cannot be received: ${messageOf(reason)}`, { cause: reason });
  }
  if (fed.status === 'rejected') throw badRequest(`The stream broke: ${messageOf(fed.reason)}`, { cause: fed.reason });
};

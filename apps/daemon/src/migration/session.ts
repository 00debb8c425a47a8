import { setTimeout as sleep } from 'node:timers/promises';
import { badRequest, messageOf, type Work } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { type Channel, receiveWhole } from './channel.ts';
import type { Connection } from './connection.ts';
import { decodeControl, encodeControl, type RsyncFeatures } from './messages.ts';

/** How long the reason of a failure may take to arrive. */
const lastWordsMs = 1_000;

/** One side's part in a migration. */
export interface Session {
  readonly connection: Connection;
  /** Aborted when the work is cancelled, the other side fails or the connection breaks. */
  readonly signal: AbortSignal;
  /** Waits for something, no longer than until `signal` is aborted. @throws the signal's reason */
  within<T>(awaited: Promise<T>): Promise<T>;
  /** Call it when the headers are exchanged: from then on the control channel tells of failure, or of success in the end. */
  watch(): void;
  /** The other side's word that all went well. @throws LxdError bad-request with what it says otherwise; the signal's reason */
  success(): Promise<void>;
  /** Tells about bytes that have passed. */
  readonly count: (bytes: number) => void;
}

/** Tells of progress twice a second. */
const counting = ({ progress }: Work): ((bytes: number) => void) => {
  const began = performance.now();
  let told = began;
  let total = 0;
  return (bytes) => {
    total += bytes;
    const now = performance.now();
    if (!progress || now - told < 500) return;
    told = now;
    progress({ stage: 'fs', bytes: total, speed: Math.round((total * 1000) / (now - began)) });
  };
};

/** The message of a control channel. */
export const nextControl = async (control: Channel): Promise<Buffer> => {
  const message = await control.next();
  if (message.kind === 'end') throw badRequest('The other server ended the migration');
  return message.data;
};

/**
 * Runs one side of a migration. When it fails, the other side is told why; in any case the connection is broken off in the end: who
 * has the last word sees to it that it arrives.
 *
 * @throws what `play` throws, or why it was aborted
 */
export const inSession = async <T>(
  connection: Connection,
  work: Work,
  play: (session: Session) => Promise<T>,
): Promise<T> => {
  using _connection = connection;
  const other = new AbortController();
  const signal = work.signal ? AbortSignal.any([work.signal, other.signal]) : other.signal;
  // What waits for data is woken by the end of the channel.
  signal.addEventListener('abort', () => connection.fs.destroy(), { once: true });
  const verdict = Promise.withResolvers<void>();
  verdict.promise.catch((error: unknown) => other.abort(error));
  let watched = false;
  const watch = (): void => {
    watched = true;
    nextControl(connection.control).then((message) => {
      const { success, message: text } = decodeControl(message);
      if (success) verdict.resolve();
      else verdict.reject(badRequest(`The other server failed: ${text || 'it does not say why'}`));
    }, verdict.reject);
  };
  const within = async <T>(awaited: Promise<T>): Promise<T> => {
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([awaited, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  };
  const success = (): Promise<void> => within(verdict.promise);
  try {
    return await play({ connection, signal, within, watch, success, count: counting(work) });
  } catch (error) {
    // The other side says why on one channel while it breaks off the other.
    if (watched && !signal.aborted) await Promise.race([verdict.promise.catch(() => undefined), sleep(lastWordsMs)]);
    const reason: unknown = signal.aborted ? signal.reason : error;
    // Whoever is gone needs no telling.
    await connection.control.send(encodeControl({ success: false, message: messageOf(reason) })).catch(() => undefined);
    await connection.control.close();
    throw reason;
  }
};

/** What both sides can do. */
export const agreed = (a: RsyncFeatures, b: RsyncFeatures): RsyncFeatures => ({
  xattrs: a.xattrs && b.xattrs,
  delete: a.delete && b.delete,
  compress: a.compress && b.compress,
  bidirectional: a.bidirectional && b.bidirectional,
  exact: a.exact && b.exact,
});

/** The version of the descriptions that this server speaks. */
export const indexVersion = 1;

const indexAnswer = z.object({
  StatusCode: z.number(),
  Error: z.string().default(''),
  Refresh: z.boolean().default(false),
});

/** Sends the description of what follows and hears whether it is welcome. @throws LxdError bad-request when it is not */
export const sendIndex = async (fs: Channel, index: unknown): Promise<void> => {
  await fs.send(Buffer.from(JSON.stringify(index)));
  await fs.end();
  const text = (await receiveWhole(fs)).toString('utf8');
  const answer = indexAnswer.safeParse(JSON.parse(text));
  if (!answer.success) throw badRequest('The other server does not answer in a way known here');
  if (answer.data.StatusCode !== 200) throw badRequest(`The other server refuses: ${answer.data.Error}`);
};

/** Reads the description of what follows, and welcomes it. */
export const receiveIndex = async (fs: Channel, refresh: boolean): Promise<string> => {
  const index = await receiveWhole(fs);
  await fs.send(Buffer.from(JSON.stringify({ StatusCode: 200, Error: '', Refresh: refresh })));
  await fs.end();
  return index.toString('utf8');
};

import { createReadStream, createWriteStream, rmSync, statSync } from 'node:fs';
import { type Readable, Transform } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { ApiError, type Client, type Query, type RawReply } from '@lxd-ts/client';
import type { Progress } from '../../output/progress.ts';
import { out } from '../../output/streams.ts';
import { bytes } from '../../output/units.ts';

const failure = async (reply: RawReply): Promise<Error> => {
  const body = await text(reply.body);
  try {
    const { error, error_code: code } = JSON.parse(body) as { error?: string; error_code?: number };
    return new ApiError(error ?? body, code ?? reply.status);
  } catch {
    // Not the usual envelope: what the server said stands as it is.
    return new ApiError(body, reply.status);
  }
};

/** Opens a resource that is not answered in the usual envelope. Throws ApiError if it is not there. */
export const openBody = async (client: Client, segments: readonly string[], query?: Query): Promise<RawReply> => {
  const reply = await client.raw('GET', client.path(segments, query));
  if (reply.status !== 200) throw await failure(reply);
  return reply;
};

/** The whole of a resource that is plain text. */
export const readBody = async (client: Client, segments: readonly string[], query?: Query): Promise<string> =>
  text((await openBody(client, segments, query)).body);

/** Counts what passes, and shows how far it is and how fast. */
export const metered = (progress: Progress | undefined, total: number): Transform => {
  const began = Date.now();
  let passed = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      passed += chunk.length;
      const speed = bytes(Math.round((passed * 1000) / Math.max(1, Date.now() - began)), 2);
      progress?.update(
        total > 0 ? `${Math.floor((passed * 100) / total)}% (${speed}/s)` : `${bytes(passed, 2)} (${speed}/s)`,
      );
      done(null, chunk);
    },
  });
};

/** The content of a local file, metered while it is read; a reading error ends the stream with that error. */
export const meteredFile = (path: string, progress: Progress | undefined): Readable => {
  const meter = metered(progress, statSync(path).size);
  return createReadStream(path)
    .on('error', (error) => meter.destroy(error))
    .pipe(meter);
};

/** Writes a stream to a file, or to the standard output for `-`. A file that could not be finished is removed. */
export const saveTo = async (
  source: Readable,
  path: string,
  progress: Progress | undefined,
  total: number,
): Promise<void> => {
  if (path === '-') {
    out(await buffer(source));
    return;
  }
  try {
    await pipeline(source, metered(progress, total), createWriteStream(path));
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    progress?.done();
  }
};

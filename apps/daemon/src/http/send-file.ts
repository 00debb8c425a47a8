import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { notFound } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { fileChunk } from '../core/file-chunk.ts';
import { type Reply, stream, text } from './reply.ts';
import type { ApiRequest } from './request.ts';

/** A part of a file: first and last byte, both included. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The part that a `Range` header asks for (RFC 9110 §14.2): one range; of others the whole file is sent, as is allowed.
 *
 * @returns 'unsatisfiable' for a range behind the end
 */
export const rangeOf = (header: string | undefined, size: number): Range | 'unsatisfiable' | undefined => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [, first = '', last = ''] = match;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  return start < size && start <= end ? { start, end } : 'unsatisfiable';
};

/**
 * Writes a part of a file into a response, and ends it. Two buffers take turns: making one for each piece takes longer than filling it.
 * A client that has seen enough is nothing to report.
 */
const sendPart = async (file: FileHandle, { start, end }: Range, response: ServerResponse): Promise<void> => {
  const gone = new Promise((resolve) => response.once('close', resolve));
  // It is closed then, too.
  response.once('error', () => undefined);
  const length = Math.min(fileChunk, end - start + 1);
  const buffers = [Buffer.allocUnsafeSlow(length), Buffer.allocUnsafeSlow(length)];
  let written: Promise<unknown> = Promise.resolve();
  // No more than was announced, though the file may grow meanwhile, as logs do.
  for (let at = start; at <= end; ) {
    const [buffer = Buffer.alloc(0)] = buffers;
    const { bytesRead } = await file.read(buffer, 0, Math.min(length, end - at + 1), at);
    await Promise.race([written, gone]);
    // It became shorter: only a connection that breaks off tells.
    if (bytesRead === 0) response.destroy();
    if (response.destroyed) return;
    written = new Promise((resolve) => response.write(buffer.subarray(0, bytesRead), resolve));
    at += bytesRead;
    buffers.reverse();
  }
  await Promise.race([written, gone]);
  response.end();
};

const send = async (request: ApiRequest, file: FileHandle, name: string): Promise<Reply> => {
  const { size, mtime } = await file.stat();
  const headers = {
    'Accept-Ranges': 'bytes',
    'Content-Disposition': `inline;filename=${encodeURIComponent(name)}`,
    'Content-Type': 'application/octet-stream',
    'Last-Modified': mtime.toUTCString(),
  };
  const range = rangeOf(request.incoming.headers.range, size);
  if (range === 'unsatisfiable') {
    await file.close();
    return text('', { 'Content-Range': `bytes */${size}` }, 416);
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  return stream(async (response) => {
    await using _closed = file;
    response.writeHead(range ? 206 : 200, {
      ...headers,
      'Content-Length': end - start + 1,
      ...(range ? { 'Content-Range': `bytes ${start}-${end}/${size}` } : {}),
    });
    if (request.method === 'HEAD' || end < start) {
      response.end();
      return;
    }
    await sendPart(file, { start, end }, response);
  });
};

/**
 * Answers with a file of the daemon's own, whole or the part that was asked for.
 *
 * @param path - on the host; a symlink at its end is refused
 * @param name - what the client may call it
 * @throws LxdError not-found when there is no such regular file
 */
export const sendFile = async (request: ApiRequest, path: string, name: string): Promise<Reply> => {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ELOOP')) throw notFound(`File "${name}" not found`);
    throw error;
  }
  try {
    if (!(await file.stat()).isFile()) throw notFound(`"${name}" is not a file`);
    return await send(request, file, name);
  } catch (error) {
    await file.close();
    throw error;
  }
};

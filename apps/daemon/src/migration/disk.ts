/** One disk over a channel, as it is: every byte of it, then the end of the stream. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { badRequest } from '@lxd-ts/driver-kit';
import { diskSize } from '../storage/copy-across.ts';
import { type Channel, sendStream } from './channel.ts';

export interface DiskOptions {
  readonly signal: AbortSignal;
  /** Told about bytes as they pass. */
  readonly count?: (bytes: number) => void;
}

/** Bytes that are read at once. */
const chunk = 256 * 1024;
/** What drivers round the sizes of disks up to: no more than this is added to what the other server says. */
const rounding = 16 * 1024 * 1024;

/** Sends what is on a disk, a file or a device. @throws the signal's reason; LxdError bad-request when the other side is gone */
export const sendDisk = async (disk: string, channel: Channel, { signal, count }: DiskOptions): Promise<void> => {
  await sendStream(createReadStream(disk, { highWaterMark: chunk, signal }), channel, count);
  await channel.end();
};

const writeAll = async (file: FileHandle, data: Buffer, position: number): Promise<void> => {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done);
    done += bytesWritten;
  }
};

/** What a disk has at a place; zeros where it ends earlier. */
const readAll = async (file: FileHandle, length: number, position: number): Promise<Buffer> => {
  const data = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(data, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return data;
};

/**
 * Makes a disk what the sender's is. Only what differs is written: holes stay, and what is shared with snapshots is shared on. A disk
 * that is longer than this one because drivers round sizes differently makes a file longer; on a device, what is too long must be empty.
 *
 * @throws LxdError bad-request when the sender's is larger, or the other side is gone
 */
export const receiveDisk = async (disk: string, channel: Channel, { signal, count }: DiskOptions): Promise<void> => {
  await using file = await open(disk, 'r+');
  const isFile = (await file.stat()).isFile();
  const size = await diskSize(disk);
  const room = isFile ? size + rounding : size;
  let position = 0;
  for (;;) {
    const message = await channel.next();
    signal.throwIfAborted();
    if (message.kind === 'end') break;
    const { data } = message;
    const there = await readAll(file, data.length, position);
    if (!there.equals(data)) {
      if (position + data.length > room && data.subarray(Math.max(0, room - position)).some((byte) => byte !== 0))
        throw badRequest(`The other server sends a disk that is larger than this one, which has ${size} bytes`);
      await writeAll(file, data.subarray(0, room - position), position);
    }
    position += data.length;
    count?.(data.length);
  }
  if (isFile && position > size) await file.truncate(Math.min(position, room));
  await file.datasync();
};

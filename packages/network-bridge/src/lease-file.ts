/** Reading the file that the DHCP server keeps its leases in, while it does. */
import { open } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { isErrno } from '@lxd-ts/host';

/** What ends with a line may be the first of several writes: these follow each other closely, unless the machine is busy. */
const betweenWritesMs = 10;
/** What ends within a line, or is empty though it was not always, is being written; later, the server died while it wrote. */
const writingMs = 2000;

/** @returns the file's text, and whether it may be that of a file that is being written */
const read = async (path: string): Promise<{ text: string; moving: boolean }> => {
  await using file = await open(path);
  const text = await file.readFile('utf8');
  // Looked at afterwards: a change since the reading began shows in the time or the size.
  const { size, mtimeMs, birthtimeMs } = await file.stat();
  const neverWritten = size === 0 && mtimeMs === birthtimeMs;
  const whole = text.endsWith('\n') && Buffer.byteLength(text) === size;
  return { text, moving: !neverWritten && Date.now() - mtimeMs < (whole ? betweenWritesMs : writingMs) };
};

/**
 * The text of a lease file as it was between two changes. dnsmasq empties its file and writes all of it again at each
 * change, in place and without a lock.
 *
 * @returns undefined when there is no such file
 */
export const readLeaseFile = async (path: string): Promise<string | undefined> => {
  const patience = performance.now() + writingMs;
  try {
    for (;;) {
      const { text, moving } = await read(path);
      if (!moving || performance.now() > patience) return text;
      await setTimeout(betweenWritesMs / 2);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

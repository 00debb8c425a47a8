import { readFile } from 'node:fs/promises';
import { madvise } from './syscalls.ts';

const MADV_DONTNEED = 4;

/** One mapping of smaps, proc_pid_smaps(5). */
interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
  readonly mode: string;
  readonly file: string;
  /** Bytes of it that are not, or no longer, the file's. */
  readonly anonymous: number;
}

const mappings = (smaps: string): Mapping[] =>
  smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((text) => {
    const [, start, end, mode, file] = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/m.exec(text) ?? [];
    const [, anonymous] = /^Anonymous: +(\d+) kB$/m.exec(text) ?? [];
    if (start === undefined || end === undefined || mode === undefined || file === undefined) return [];
    return [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), mode, file, anonymous: Number(anonymous) * 1024 }];
  });

/**
 * Gives back the pages of this program's own file that are in memory, code and constants alone: what a program needs to
 * start is most of a large one and little of it comes back. Those that do are found in the page cache, at a microsecond or so a page.
 *
 * Source: madvise(2), MADV_DONTNEED: the pages of a private mapping that were not written to are read from the file again.
 */
export const releaseProgramPages = async (): Promise<void> => {
  for (const { start, end, mode, file, anonymous } of mappings(await readFile('/proc/self/smaps', 'utf8'))) {
    if (file !== process.execPath || mode.includes('w') || anonymous > 0) continue;
    madvise(start, end - start, MADV_DONTNEED);
  }
};

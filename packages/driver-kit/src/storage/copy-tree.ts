import { stat } from 'node:fs/promises';
import { CommandError, run } from '@lxd-ts/host';
import type { Work } from '../work.ts';
import { dieWithUs } from './die-with-us.ts';

export interface TreeCopyOptions extends Work {
  /**
   * The target may hold an earlier copy: only what differs is copied, and what the source lacks is deleted.
   * Without it the target is missing or an empty directory.
   */
  readonly refresh?: boolean;
  /** `rsync.bwlimit`: KiB/s, or a number with a unit (rsync(1)). Empty and `0`: no limit. */
  readonly bandwidthLimit?: string | undefined;
  /** Files that vanish while they are copied are no error. */
  readonly allowInconsistent?: boolean;
}

/**
 * Whether rsync complained about nothing but files that went away meanwhile. It exits with 24 when it noticed so itself, with 23
 * when reading an attribute failed for it.
 */
const onlyVanished = ({ exitCode, stderr }: CommandError): boolean =>
  exitCode === 24 ||
  (exitCode === 23 &&
    stderr
      .split('\n')
      .filter((line) => line !== '' && !/^rsync (error|warning): /.test(line))
      .every((line) => /file has vanished|No such file or directory \(2\)$/.test(line)));

/** Reads a line of rsync's `--info=progress2`: `  1,238,099  99%  146.22MB/s  0:00:08`. */
export const parseRsyncProgress = (line: string): { bytes: number; percent: number; speed: number } | undefined => {
  const match = /^\s*([0-9,]+)\s+([0-9]+)%\s+([0-9.]+)([kMGT]?)B\/s/.exec(line);
  if (!match) return undefined;
  const [, bytes = '', percent, rate, unit = ''] = match;
  return {
    bytes: Number(bytes.replaceAll(',', '')),
    percent: Number(percent),
    speed: Math.round(Number(rate) * 1024 ** ['', 'k', 'M', 'G', 'T'].indexOf(unit)),
  };
};

const rsync = async (source: string, target: string, options: TreeCopyOptions): Promise<void> => {
  const { bandwidthLimit, allowInconsistent, progress } = options;
  const limit = bandwidthLimit === undefined || bandwidthLimit === '0' ? '' : bandwidthLimit;
  try {
    await run(
      [
        ...dieWithUs,
        'rsync',
        '--archive',
        '--hard-links',
        '--acls',
        '--xattrs',
        '--sparse',
        '--numeric-ids',
        '--delete',
        // Whole seconds are too coarse: a file can be rewritten at the same size within one.
        '--modify-window=-1',
        // Pages of the copy need not push others out of memory: local files gain nothing from the delta algorithm.
        '--whole-file',
        ...(limit === '' ? [] : [`--bwlimit=${limit}`]),
        ...(progress ? ['--info=progress2'] : []),
        `${source}/`,
        `${target}/`,
      ],
      {
        debianPackage: 'rsync',
        ...(options.signal ? { signal: options.signal } : {}),
        onStdout: (line) => {
          const at = progress && parseRsyncProgress(line);
          if (at) progress({ stage: 'fs', ...at });
        },
      },
    );
  } catch (error) {
    if (!(allowInconsistent && error instanceof CommandError && onlyVanished(error))) throw error;
  }
};

/**
 * Copies a directory tree with everything that belongs to it: owners by number, modes, times to the nanosecond, ACLs, extended
 * attributes with file capabilities, hard links, symlinks as they are, devices, FIFOs, sockets and holes. The directories
 * themselves become alike too. Blocks are shared where the file system can (FICLONE).
 *
 * One `cp` does it, which is several times quicker than rsync on a small tree; rsync works when a limit, a refresh or
 * progress is asked for, and takes over when files vanish under `cp` and that is allowed.
 *
 * @throws ENOENT when there is no source; CommandError when the copy fails: the target is then incomplete, and the caller removes it
 */
export const copyTree = async (source: string, target: string, options: TreeCopyOptions = {}): Promise<void> => {
  // A source that is not there has not vanished meanwhile.
  await stat(source);
  const limited = options.bandwidthLimit !== undefined && !['', '0'].includes(options.bandwidthLimit);
  if (options.refresh || limited || options.progress) return rsync(source, target, options);
  try {
    await run(
      [
        ...dieWithUs,
        'cp',
        '--recursive',
        '--no-dereference',
        // Not `-a`, which loses extended attributes without a word where they cannot be kept.
        '--preserve=mode,ownership,timestamps,links,xattr',
        '--reflink=auto',
        '--no-target-directory',
        source,
        target,
      ],
      options.signal ? { signal: options.signal } : {},
    );
  } catch (error) {
    if (!(options.allowInconsistent && error instanceof CommandError)) throw error;
    await rsync(source, target, options);
  }
};

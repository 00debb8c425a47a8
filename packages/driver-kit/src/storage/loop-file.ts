import { diskUsage } from '@lxd-ts/host';

const GiB = 1024 ** 3;

/** The rule for a loop file's default size: a fifth of the free space, at least 5 and at most 30 GiB. */
export const loopSizeFor = (available: number): number =>
  Math.min(Math.max(Math.floor(available / 5), 5 * GiB), 30 * GiB);

/** The default size of a loop file in a directory, in bytes. */
export const defaultLoopSize = async (directory: string): Promise<number> =>
  loopSizeFor((await diskUsage(directory)).available);

import { parseArgs } from 'node:util';

export interface Options {
  /** The one LXD to time; undefined: both, in turn. */
  readonly only: 'real' | 'ours' | undefined;
  /** The storage drivers to time. */
  readonly drivers: readonly string[];
  /** Whether nothing else is timed. */
  readonly storageOnly: boolean;
  readonly rounds: number;
}

const known = ['dir', 'btrfs', 'lvm', 'zfs'];

/**
 * Reads the command line: `[--only=real|ours] [--drivers=dir,btrfs,lvm,zfs] [--rounds=12]`.
 *
 * @throws {Error} that says what may stand there
 */
export const readOptions = (words: readonly string[]): Options => {
  const { values } = parseArgs({
    args: [...words],
    options: { only: { type: 'string' }, drivers: { type: 'string' }, rounds: { type: 'string' } },
  });
  const { only } = values;
  if (only !== undefined && only !== 'real' && only !== 'ours') throw new Error('--only takes real or ours');
  const drivers = values.drivers?.split(',') ?? ['dir', 'btrfs'];
  const unknown = drivers.filter((driver) => !known.includes(driver));
  if (unknown.length > 0) throw new Error(`--drivers takes some of ${known.join(',')}, not ${unknown.join(',')}`);
  const rounds = Number(values.rounds ?? 12);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number from 1 on');
  return { only, drivers, storageOnly: values.drivers !== undefined, rounds };
};

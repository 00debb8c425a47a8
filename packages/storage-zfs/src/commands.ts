/** `zfs` and `zpool`, run with their machine-readable output, and what their complaints mean. */
import { setTimeout } from 'node:timers/promises';
import { badRequest, conflict, dieWithUs, internal, messageOf, type Work } from '@lxd-ts/driver-kit';
import { CommandError, type RunOptions, run } from '@lxd-ts/host';

export const debianPackage = 'zfsutils-linux';

/** What a program of ZFS complained about. */
type Complaint = 'missing' | 'exists' | 'busy' | 'clones' | 'full' | 'too-small' | 'name';

const complaints: readonly (readonly [Complaint, RegExp])[] = [
  // With dependent clones or children named in it: before `busy`, which such a message may also say.
  ['clones', /has dependent clones|has children/],
  ['missing', /does not exist|no such (pool|dataset|file)|could not find any snapshots|no datasets available/i],
  ['exists', /already exists|destination '.*' exists/],
  ['busy', /is busy|currently mounted|currently in use/],
  ['too-small', /size is less than current used or reserved space/],
  ['full', /out of space|No space left|size is greater than available space/],
  ['name', /invalid (dataset|snapshot) name|invalid character|name is too long|invalid name/],
];

/** What a failed program of ZFS complained about, if it is one of the expected things. */
export const complaintOf = (error: unknown): Complaint | undefined =>
  error instanceof CommandError ? complaints.find(([, words]) => words.test(error.stderr))?.[0] : undefined;

/** The error of a program of ZFS, in its own name: what ends it with this process is no news. */
const named = (error: unknown): unknown => {
  if (!(error instanceof CommandError) || error.exitCode === null) return error;
  const { argv, exitCode, signal, stdout, stderr } = error;
  const title = argv.find((argument) => argument === 'zfs' || argument === 'zpool');
  return new CommandError({ argv, exitCode, signal, stdout, stderr, cause: error, ...(title ? { title } : {}) });
};

/** Turns complaints that an operator can do something about into errors of their kind; others stay what they are. */
export const explained = (failure: unknown): unknown => {
  const error = named(failure);
  const what = complaintOf(error);
  if (what === 'full') return internal(`No space left in the storage pool: ${messageOf(error)}`, { cause: error });
  if (what === 'busy') return conflict(`In use: ${messageOf(error)}`, { cause: error });
  if (what === 'name') return badRequest(`ZFS does not take the name: ${messageOf(error)}`, { cause: error });
  return error;
};

const program =
  (name: 'zfs' | 'zpool') =>
  async (args: readonly string[], options: RunOptions = {}): Promise<string> => {
    try {
      const { stdout } = await run([...dieWithUs, name, ...args], { debianPackage, ...options });
      return stdout;
    } catch (error) {
      throw explained(error);
    }
  };

/**
 * Runs `zfs` with these arguments.
 *
 * @returns what it wrote to standard output
 * @throws CommandError, or an LxdError where an operator can act: no space, in use, a name that ZFS does not take
 */
export const zfs = program('zfs');
/** Runs `zpool` likewise. */
export const zpool = program('zpool');

/** The complaint behind an error of `zfs` or `zpool`, explained or not. */
export const complaint = (error: unknown): Complaint | undefined =>
  complaintOf(error) ?? (error instanceof Error ? complaintOf(error.cause) : undefined);

/** Runs a step, and takes one complaint for an answer. */
export const unless = async <T>(expected: Complaint, step: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await step();
  } catch (error) {
    if (complaint(error) === expected) return undefined;
    throw error;
  }
};

/** How long what was just unmounted or closed may still count as in use: other mount namespaces go a little later. */
const busyForMs = 10_000;

/** Repeats a step while ZFS says that something is in use, for some seconds. No event tells when it no longer is. */
export const whileBusy = async <T>(step: () => Promise<T>, forMs = busyForMs): Promise<T> => {
  const end = Date.now() + forMs;
  for (let pause = 20; ; pause = Math.min(pause * 2, 500)) {
    try {
      return await step();
    } catch (error) {
      if (complaint(error) !== 'busy' || Date.now() > end) throw error;
      await setTimeout(pause);
    }
  }
};

/** The rows of output made with `-H`: fields are separated by tabs. */
export const rows = (output: string): string[][] =>
  output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));

/** The options that pass a cancellation on. */
export const cancelledBy = (work: Work | undefined): Pick<RunOptions, 'signal'> =>
  work?.signal ? { signal: work.signal } : {};

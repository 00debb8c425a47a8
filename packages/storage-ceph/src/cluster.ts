/**
 * Running Ceph's programs. A cluster that does not answer keeps a client waiting for ever, so every command has a limit: one
 * for the whole of a quick command, one from each sign of progress to the next for those that move data.
 */
import { readFile } from 'node:fs/promises';
import { badRequest, conflict, type LxdError, notFound, unavailable, type Work } from '@lxd-ts/driver-kit';
import { type Argv, CommandError, isErrno, type RunOptions, run } from '@lxd-ts/host';
import { z } from 'zod';

/** How a cluster is reached: `/etc/ceph/<name>.conf`, and the keyring of `client.<user>`. */
export interface Cluster {
  readonly name: string;
  readonly user: string;
}

/** What an answer to a short question may take, in milliseconds: a minute, or `LXD_TS_CEPH_TIMEOUT` seconds. */
export const QUICK: number = Number(process.env.LXD_TS_CEPH_TIMEOUT || 60) * 1000;
/** What may pass between two signs of progress of a long command, in milliseconds. */
export const PATIENT: number = 10 * QUICK;

export interface CephOptions extends Pick<RunOptions, 'input' | 'onStdout'> {
  readonly work?: Work | undefined;
  /** The command moves data and tells how far it is: its limit begins anew with each line it writes. */
  readonly slow?: boolean;
  /** Nobody waits for it: it gets the processor time that nothing else wants, and has as long as a slow one. */
  readonly background?: boolean;
  /** OSD pools that it writes to. Where they are full the cluster keeps it waiting. */
  readonly writesTo?: readonly string[];
  /** What the command reports as its progress stage. */
  readonly stage?: string;
  /** Put before the program: `setpriv`, `flock`. */
  readonly prefix?: readonly string[];
  /** What is missing when the command says that it does not exist. */
  readonly what?: string;
}

/** A timer that aborts, and can be stopped and started anew. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
  again(): void;
  pause(): void;
}

/**
 * @param what - the sentence of the error, without its end: `Ceph did not answer`
 * @param why - asked each time the length of a quick command has passed: an error that says why there is no use in waiting
 */
export const timeLimit = (milliseconds: number, what: string, why?: () => Promise<Error | undefined>): TimeLimit => {
  const controller = new AbortController();
  const step = Math.min(QUICK, milliseconds);
  let [waited, round] = [0, 0];
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    round++;
    clearTimeout(timer);
  };
  const wait = (): void => {
    timer = setTimeout(expire, step);
  };
  const expire = async (): Promise<void> => {
    const asked = round;
    waited += step;
    let [reason, cause]: [Error | undefined, unknown] = [undefined, undefined];
    try {
      reason = await why?.();
    } catch (error) {
      // A cluster that does not answer at all does not say why.
      cause = error;
    }
    // It went on meanwhile.
    if (asked !== round) return;
    if (reason === undefined && waited < milliseconds) wait();
    else controller.abort(reason ?? unavailable(`${what} within ${milliseconds / 1000} seconds`, { cause }));
  };
  const again = (): void => {
    stop();
    waited = 0;
    wait();
  };
  again();
  return { signal: controller.signal, pause: stop, again, [Symbol.dispose]: stop };
};

/** Waits for a call into the kernel no longer than so many milliseconds; a dead cluster keeps such calls for ever. */
export const within = async <T>(milliseconds: number, what: string, call: Promise<T>): Promise<T> => {
  using limit = timeLimit(milliseconds, what);
  return await Promise.race([
    call,
    new Promise<never>((_, reject) => {
      limit.signal.addEventListener('abort', () => reject(limit.signal.reason), { once: true });
    }),
  ]);
};

/** The arguments that say which cluster is meant, and as whom. */
export const clusterArguments = ({ name, user }: Cluster): readonly string[] => ['--cluster', name, '--id', user];

const healthShape = z.object({
  checks: z.record(z.string(), z.object({ detail: z.array(z.object({ message: z.string() })).default([]) })),
});

/** The error that says that one of some OSD pools is full, or has reached its quota; undefined: none is. */
export const noRoom = async (cluster: Cluster, pools: readonly string[]): Promise<LxdError | undefined> => {
  const { stdout } = await run(['ceph', ...clusterArguments(cluster), 'health', 'detail', '--format', 'json'], {
    signal: AbortSignal.timeout(QUICK),
    debianPackage: 'ceph-common',
  });
  // Full OSDs make all pools full that have data on them, and these are named one by one.
  const told = healthShape.parse(JSON.parse(stdout)).checks.POOL_FULL?.detail ?? [];
  const words = told.find(({ message }) => pools.some((pool) => message.includes(`'${pool}'`)))?.message;
  return words === undefined ? undefined : conflict(`No space left in Ceph (ENOSPC): ${words}`);
};

/** Ceph's programs write time-stamped diagnostics between what they have to say. */
const isDiagnostic = (line: string): boolean =>
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+-]+ [0-9a-f]+ +-?[0-9]+ /.test(line);

/** The last words of a program that are meant for people. */
export const lastWords = (stderr: string): string =>
  stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !isDiagnostic(line) && !/% complete\.\.\.$/.test(line))
    .slice(-2)
    .join('; ');

const unreachable = /connect to the cluster|error connecting|timed out|keyring not found|failed to fetch mon config/i;

/** The exit status of Ceph's programs is an errno, often enough; of radosgw-admin also the low byte of numbers of its own. */
const codes = {
  ENOENT: 2,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
  ETIMEDOUT: 110,
  noSuchBucket: 2002 & 0xff,
  invalidAccessKey: 2028 & 0xff,
  noSuchSubuser: 2043 & 0xff,
} as const;

/** Whether a command ended with one of these errno names as its exit status. */
export const endedWith = (
  error: unknown,
  ...names: (keyof typeof codes)[]
): error is Error & { readonly cause: CommandError } => {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof CommandError && names.some((name) => cause.exitCode === codes[name]);
};

/** What a failed command means, as an error that an operator can act on. */
export const explain = (error: unknown, cluster: Cluster, what?: string): unknown => {
  if (!(error instanceof CommandError)) return error;
  const words = lastWords(error.stderr) || error.message;
  const options = { cause: error };
  if (error.exitCode === null) return error;
  if (unreachable.test(error.stderr) || error.exitCode === codes.ETIMEDOUT) {
    return unavailable(
      `Ceph cluster "${cluster.name}" cannot be reached as user "${cluster.user}": ${words} (check /etc/ceph/${cluster.name}.conf and the user's keyring)`,
      options,
    );
  }
  if (error.exitCode === codes.ENOENT) return notFound(what === undefined ? words : `${what} is not there`, options);
  if (error.exitCode === codes.EEXIST) return conflict(what === undefined ? words : `${what} exists already`, options);
  if (error.exitCode === codes.EBUSY) return conflict(words, options);
  return new Error(words, options);
};

const packages: Readonly<Record<string, string>> = {
  'radosgw-admin': 'radosgw',
};

/** Put before a program, it runs at the lowest priority. */
const lowest: readonly string[] = ['nice', '-n', '19'];

/**
 * Runs one of Ceph's programs.
 *
 * @param argv - the program, and its arguments without those of the cluster
 * @returns what it wrote to standard output
 * @throws LxdError unavailable when the cluster cannot be reached or does not answer in time, not-found, conflict; others with the
 *   program's words. All have the CommandError as their cause
 */
export const ceph = async (cluster: Cluster, argv: Argv, options: CephOptions = {}): Promise<string> => {
  const [program, ...args] = argv;
  const milliseconds = options.slow || options.background ? PATIENT : QUICK;
  const { writesTo } = options;
  using limit = timeLimit(
    milliseconds,
    `Ceph cluster "${cluster.name}" did not answer "${program} ${args[0]}"`,
    writesTo && (() => noRoom(cluster, writesTo)),
  );
  const signals = [limit.signal, ...(options.work?.signal ? [options.work.signal] : [])];
  const [first, ...rest] = [...(options.background ? lowest : []), ...(options.prefix ?? []), program];
  const onProgress = (line: string): void => {
    limit.again();
    const percent = /([0-9]+)% complete/.exec(line)?.[1];
    if (percent !== undefined) options.work?.progress?.({ stage: options.stage ?? 'rbd', percent: Number(percent) });
  };
  try {
    const { stdout } = await run([first ?? program, ...rest, ...clusterArguments(cluster), ...args], {
      signal: AbortSignal.any(signals),
      debianPackage: packages[program] ?? 'ceph-common',
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.slow ? { onStderr: onProgress } : {}),
    });
    return stdout;
  } catch (error) {
    throw explain(error, cluster, options.what);
  }
};

/** Runs a command that answers in JSON, which is checked. */
export const cephJson = async <T>(
  cluster: Cluster,
  argv: Argv,
  shape: z.ZodType<T>,
  options: CephOptions = {},
): Promise<T> => {
  const text = await ceph(cluster, [...argv, '--format', 'json'], options);
  return shape.parse(JSON.parse(text));
};

/** The names of the OSD pools. Asked of a small program: `ceph` takes ten times as long to start. */
export const osdPools = async (cluster: Cluster, work?: Work): Promise<string[]> =>
  (await ceph(cluster, ['rados', 'lspools'], { work })).split('\n').filter((name) => name !== '');

export const configurationFile = ({ name }: Pick<Cluster, 'name'>): string => `/etc/ceph/${name}.conf`;

/**
 * Checks that a cluster is configured on this host.
 *
 * @throws LxdError bad-request that names the key
 */
export const checkCluster = async ({ name }: Cluster, key: string): Promise<void> => {
  const file = configurationFile({ name });
  try {
    await readFile(file);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw badRequest(`Invalid value for "${key}": no Ceph cluster "${name}" is configured here (no ${file})`, {
      cause: error,
    });
  }
};

/** A key's value that becomes part of a file name or an argument: nothing that could be an option, a path or a specification. */
export const isPlainName = (value: string): void => {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(value)) {
    throw new Error('must be letters, digits, underscores, dots and hyphens');
  }
};

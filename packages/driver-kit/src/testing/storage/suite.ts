import { join } from 'node:path';
import type { Config } from '../../config.ts';
import type { PoolSpec, StorageDriver, StoragePool, Volume } from '../../storage/contract.ts';
import type { TestContext } from '../context.ts';

/** What `only` of a form names: a group of tests. */
export type SuiteGroup =
  | 'pool'
  | 'volumes'
  | 'snapshots'
  | 'copies'
  | 'disks'
  | 'limits'
  | 'buckets'
  | 'transfer'
  | 'crashes';

/** One way in which a pool of the driver can be made; the whole suite runs on each. */
export interface PoolForm {
  /** What is special about it, with the numbers of the statements it proves: `[05.19] a loop file`. */
  readonly title: string;
  /** The configuration for the new pool, usually with a `source` made in the context. Default: none. */
  readonly config?: (context: TestContext) => Promise<Config>;
  /** Where the pool's path and loop files are put, as LXD_DIR would be. Default: a directory of the context. */
  readonly home?: (context: TestContext) => Promise<string>;
  /** Whether volumes can be limited in this form. Default: what the driver's features say; `depends` needs an answer. */
  readonly quotas?: boolean;
  /** A larger `size` that the pool can grow to, when it can. */
  readonly grows?: string;
  /** Volumes take their whole size from the pool at once. Default: only what is written to them. */
  readonly allocates?: boolean;
  /** The process is killed in this form too, not in the first alone: it restores or copies in another way. */
  readonly crashes?: boolean;
  /** Configuration of all volumes in it. A size is that of those for which a test wants none of its own. */
  readonly volumes?: Config;
  /** The groups of tests that are run. Default: all. */
  readonly only?: readonly SuiteGroup[];
  /** Why this form cannot be tried on this host; absent: it can. */
  readonly skip?: string | undefined;
}

/** How another process gets at the driver, to be killed in the middle of its work. */
export interface ImportFrom {
  /** What to import: a package's name, or the URL of a file. */
  readonly specifier: string;
  /** The name under which it exports the driver. */
  readonly name: string;
  /** The directory from which a package's name is resolved: `import.meta.dirname`. */
  readonly directory: string;
  /** Options of node that the import needs. */
  readonly nodeOptions?: readonly string[];
}

export interface StorageConformanceOptions {
  readonly driver: StorageDriver;
  /** Without it nothing is killed. */
  readonly importFrom?: ImportFrom;
  /**
   * Ends what an open pool does by itself (timers, programs), and leaves all that it has mounted and mapped. Without it, the pools of the
   * processes that were killed go on in that of the tests.
   */
  readonly abandon?: (pool: StoragePool) => PromiseLike<void>;
  readonly pools: readonly [PoolForm, ...PoolForm[]];
  /** A pool of at most a few hundred MiB, to run out of space in. */
  readonly tiny?: PoolForm & {
    /** More bytes than it can hold, without being unreasonable to write. */
    readonly tooMuch: number;
  };
}

/** What the groups of tests share: one pool of one form. */
export interface Suite {
  readonly driver: StorageDriver;
  readonly form: PoolForm;
  /** The open pool. */
  readonly pool: () => StoragePool;
  /** Its specification, with the effective configuration. */
  readonly spec: () => PoolSpec;
  /** Names a volume that no other test uses; a custom file system volume unless told otherwise. */
  readonly newVolume: (parts?: Partial<Volume>) => Volume;
  /** Closes the pool and opens it again. */
  readonly reopen: () => Promise<void>;
  /** Opens the pool as it is, as the next server does when one was killed. */
  readonly takeOver: () => Promise<void>;
  readonly quotas: boolean;
  readonly importFrom?: ImportFrom | undefined;
  /** At how many moments of each call the process is killed, spread over the time that it takes. */
  readonly kills: number;
}

/** A specification of a pool below a directory, as the daemon lays it out. */
export const specIn = (home: string, name: string, config: Config): PoolSpec => ({
  name,
  config,
  path: join(home, 'storage-pools', name),
  disks: join(home, 'disks'),
});

let count = 0;

/** A volume with a name of its own. */
export const newVolume = (parts: Partial<Volume> = {}): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name: `v${count++}`,
  config: {},
  ...parts,
});

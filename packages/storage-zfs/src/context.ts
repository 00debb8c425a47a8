import type { Config } from '@lxd-ts/driver-kit';
import type { Disks } from './disks.ts';
import type { Mounts } from './mounts.ts';
import type { Space } from './space.ts';

/** What the calls about the volumes of one open pool share. */
export interface PoolContext {
  /** The pool's name, for messages. */
  readonly name: string;
  /** Where its directories are. */
  readonly path: string;
  /** Its root dataset. */
  readonly root: string;
  /** Its configuration as it is now. */
  readonly config: () => Config;
  readonly disks: Disks;
  readonly mounts: Mounts;
  readonly space: Space;
}

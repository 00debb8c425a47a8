import type { Attachment, InstanceType, MountedVolume, RunningInstance } from '@lxd-ts/driver-kit';
import type { IdMap } from '@lxd-ts/host';
import { handleOf, type Instance } from './instance.ts';

/** An instance that runs, with what it holds. */
export interface Run {
  readonly name: string;
  readonly project: string;
  readonly type: InstanceType;
  readonly running: RunningInstance;
  readonly volume: MountedVolume;
  /** The id map in force; unset: privileged. */
  readonly idmap: IdMap | undefined;
  /** What its devices attached; changed by hot-plugging. */
  attachments: readonly Attachment[];
  /** Frozen by us; the kernel's own word is `running.status()`. */
  frozen: boolean;
  /** The guest said it is ready (`/dev/lxd`). */
  ready: boolean;
  /** What is to happen when it stops: `stop` was asked for, or a restart; unset: it stopped by itself. */
  intent?: 'stop' | 'restart';
  /** Resolves when its devices and mounts are down too. */
  readonly cleaned: Promise<void>;
}

/** The instances that run now, known without asking anybody: every end of one is an event. */
export interface Runs {
  get(instance: Pick<Instance, 'name' | 'project'>): Run | undefined;
  set(instance: Pick<Instance, 'name' | 'project'>, run: Run): void;
  delete(instance: Pick<Instance, 'name' | 'project'>): void;
  all(): Iterable<Run>;
}

export const createRuns = (): Runs => {
  const runs = new Map<string, Run>();
  return {
    get: (instance) => runs.get(handleOf(instance)),
    set: (instance, run) => void runs.set(handleOf(instance), run),
    delete: (instance) => void runs.delete(handleOf(instance)),
    all: () => runs.values(),
  };
};

/** Status text and code of an instance on the wire (spec 09 §2). */
export const statusOf = (run: Run | undefined): { status: string; status_code: number } => {
  if (!run) return { status: 'Stopped', status_code: 102 };
  if (run.frozen) return { status: 'Frozen', status_code: 110 };
  if (run.ready) return { status: 'Ready', status_code: 113 };
  return { status: 'Running', status_code: 103 };
};

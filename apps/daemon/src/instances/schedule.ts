import { isTrue, messageOf } from '@lxd-ts/driver-kit';
import { Cron } from 'croner';
import type { Logger } from 'pino';
import type { Operations } from '../operations/registry.ts';
import type { Instance } from './instance.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import type { SnapshotStore } from './snapshots-store.ts';
import type { InstanceStore } from './store.ts';
import { instanceResources } from './trees.ts';

/** What the aliases of `snapshots.schedule` stand for (spec 03.173); `@startup` and `@never` are no times. */
const aliases: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@annually': '0 0 1 1 *',
  '@yearly': '0 0 1 1 *',
};

const wordsOf = (schedule: string): string[] => schedule.split(',').map((word) => word.trim().toLowerCase());

/**
 * Whether a schedule falls on a minute of the local calendar.
 *
 * @param schedule - a cron expression, or aliases joined by commas; empty: never
 */
export const isDue = (schedule: string, minute: Date): boolean => {
  const text = schedule.trim();
  if (text === '') return false;
  const expressions = text.startsWith('@') ? wordsOf(text).flatMap((word) => aliases[word] ?? []) : [text];
  const start = new Date(minute);
  start.setSeconds(0, 0);
  return expressions.some((expression) => new Cron(expression).match(start));
};

/** Whether a snapshot is due when the instance starts. */
export const isDueAtStart = (schedule: string): boolean => wordsOf(schedule).includes('@startup');

export interface Schedule extends AsyncDisposable {
  /** Takes the snapshot that is due when an instance starts. The caller holds the instance's lock. */
  atStart(instance: Instance): Promise<void>;
  /** Does what is due at a minute: takes scheduled snapshots and deletes expired ones. */
  turn(minute: Date): Promise<void>;
  /** Begins to do so each minute. */
  run(): void;
}

interface Parts {
  readonly store: InstanceStore;
  readonly instances: InstanceService;
  readonly snapshots: SnapshotService;
  readonly snapshotStore: SnapshotStore;
  readonly operations: Operations;
  readonly log: Logger;
}

/**
 * Scheduled snapshots and the end of expired ones. Both are of whole minutes (spec 03.175, 03.184), so a timer that falls on each is as
 * exact as one computed for every instance, and nobody needs to tell it what was changed: two queries a minute.
 */
export const createSchedule = ({ store, instances, snapshots, snapshotStore, operations, log }: Parts): Schedule => {
  /** Works through a list in an operation, one after the other; what fails is logged, and named when all are done. */
  const forEach = async <T>(
    description: string,
    project: string,
    all: readonly T[],
    resources: Record<string, string[]>,
    work: (one: T) => Promise<unknown>,
  ): Promise<void> => {
    if (all.length === 0) return;
    const operation = operations.create({
      class: 'task',
      description,
      project,
      resources,
      run: async () => {
        const failures: string[] = [];
        for (const one of all) {
          try {
            await work(one);
          } catch (error) {
            log.error({ err: error }, `${description}: ${messageOf(error)}`);
            failures.push(messageOf(error));
          }
        }
        if (failures.length > 0) throw new Error(failures.join('; '));
        return undefined;
      },
    });
    operation.start();
    await operation.finished;
  };

  const deleteExpired = async (now: Date): Promise<void> => {
    const byProject = Map.groupBy(await snapshotStore.expired(now), ({ project }) => project);
    for (const [project, expired] of byProject) {
      await forEach('Cleaning up expired instance snapshots', project, expired, {}, async ({ instance, name }) =>
        snapshots.delete(await store.get(project, instance), name),
      );
    }
  };

  const wants = (instance: Instance, minute: Date): boolean => {
    const { config } = instance.expanded;
    if (instance.state !== 'ready' || !isDue(config['snapshots.schedule'] ?? '', minute)) return false;
    return instances.runOf(instance) !== undefined || isTrue(config['snapshots.schedule.stopped']);
  };

  const takeDue = async (minute: Date): Promise<void> => {
    for (const instance of (await store.list()).filter((one) => wants(one, minute))) {
      await forEach(
        'Creating scheduled instance snapshots',
        instance.project,
        [instance],
        instanceResources(instance),
        (one) => snapshots.create(one, { name: '', stateful: false, expiresAt: undefined }),
      );
    }
  };

  let turning: Promise<void> = Promise.resolve();
  const turn: Schedule['turn'] = async (minute) => {
    // What is expired goes first: its space may be needed.
    await deleteExpired(minute);
    await takeDue(minute);
  };

  let timer: Cron | undefined;
  return {
    turn,

    async atStart(instance) {
      if (!isDueAtStart(instance.expanded.config['snapshots.schedule'] ?? '')) return;
      await snapshots.take(instance, { name: '', stateful: false, expiresAt: undefined });
    },

    run() {
      timer = new Cron('* * * * *', { protect: true, unref: true }, async () => {
        turning = turn(new Date()).catch((error: unknown) => {
          log.error({ err: error }, 'Could not take scheduled snapshots or delete expired ones');
        });
        await turning;
      });
    },

    async [Symbol.asyncDispose]() {
      timer?.stop();
      await turning;
    },
  };
};

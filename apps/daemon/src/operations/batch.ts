import { messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { Operations } from './registry.ts';

export interface Batch<T> {
  /** Of the operation. */
  readonly description: string;
  readonly project: string;
  readonly items: readonly T[];
  readonly resources?: Readonly<Record<string, string[]>>;
  readonly work: (item: T) => Promise<unknown>;
}

/**
 * Works through a list in an operation of the server's own, one item after the other; what fails is logged, and named when all are done.
 * Nothing to do makes no operation. Resolves in the end, whether all went well or not.
 */
export const runBatch = async <T>(
  operations: Operations,
  log: Logger,
  { description, project, items, resources = {}, work }: Batch<T>,
): Promise<void> => {
  if (items.length === 0) return;
  const operation = operations.create({
    class: 'task',
    description,
    project,
    resources,
    run: async () => {
      const failures: string[] = [];
      for (const item of items) {
        try {
          await work(item);
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

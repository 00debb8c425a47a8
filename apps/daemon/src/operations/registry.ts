import { notFound } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { Operation, type OperationSpec } from './operation.ts';

/** A finished operation can still be asked about for this long. */
const keepMs = 5_000;

/** All operations of this daemon, in memory. */
export interface Operations {
  /** Makes an operation; it begins with `start()`, which the HTTP layer calls after it has rendered the reply. */
  create(spec: OperationSpec): Operation;
  /** @throws LxdError not-found */
  get(id: string): Operation;
  list(project?: string): readonly Operation[];
  /** Resolves when no task or websocket operation runs any more, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

export const createOperations = (events: Events): Operations => {
  const operations = new Map<string, Operation>();

  return {
    create(spec) {
      const operation = new Operation(spec, (changed) => {
        events.publish({ type: 'operation', project: spec.project, metadata: changed.render() });
      });
      operations.set(operation.id, operation);
      void operation.finished.then(() => setTimeout(() => operations.delete(operation.id), keepMs).unref());
      return operation;
    },

    get(id) {
      const operation = operations.get(id);
      if (!operation) throw notFound('Operation not found');
      return operation;
    },

    list: (project) =>
      [...operations.values()].filter((operation) => project === undefined || operation.spec.project === project),

    async drain(timeoutMs) {
      const running = [...operations.values()].filter(
        (operation) => !operation.isFinal && operation.spec.class !== 'token',
      );
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref());
      await Promise.race([Promise.all(running.map((operation) => operation.finished)), timeout]);
    },
  };
};

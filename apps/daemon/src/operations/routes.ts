import { badRequest, forbidden } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { isTrusted } from '../http/identity.ts';
import { done, sync } from '../http/reply.ts';
import { type ApiRequest, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { acceptWebSocket } from '../http/websocket.ts';
import type { Operation } from './operation.ts';
import type { Operations } from './registry.ts';

/** Trusted callers see the operations of their projects; others only those whose secret they know. */
const authorize = (request: ApiRequest, operation: Operation): void => {
  const { identity } = request;
  const secret = request.query.get('secret');
  if (isTrusted(identity) && (!identity.projects || identity.projects.includes(operation.spec.project))) return;
  if (secret && (operation.spec.sockets?.knows(secret) || operation.spec.metadata?.['secret'] === secret)) return;
  throw forbidden('not authorized');
};

const waitSeconds = (request: ApiRequest): number => {
  const value = request.query.get('timeout') ?? '-1';
  const seconds = Number(value);
  if (value === '' || !Number.isInteger(seconds))
    throw badRequest(`Invalid timeout "${value}": give whole seconds, or -1 to wait forever`);
  return seconds;
};

const wait = async (operation: Operation, seconds: number): Promise<void> => {
  if (seconds < 0) return operation.finished;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, seconds * 1000);
  await Promise.race([operation.finished, promise]);
  clearTimeout(timer);
};

export const operationRoutes = (router: Router, operations: Operations, events: Events): void => {
  router.on('GET', '/1.0/operations', (request) => {
    const project = request.query.get('all-projects') === 'true' ? undefined : request.project;
    const groups: Record<string, unknown[]> = {};
    for (const operation of operations.list(project)) {
      const group = operation.status.toLowerCase();
      groups[group] = [...(groups[group] ?? []), recursionOf(request) > 0 ? operation.render() : operation.url];
    }
    return sync(groups);
  });

  router.on(
    'GET',
    '/1.0/operations/:id',
    (request) => {
      const operation = operations.get(param(request, 'id'));
      authorize(request, operation);
      return sync(operation.render());
    },
    'public',
  );

  router.on('DELETE', '/1.0/operations/:id', (request) => {
    const operation = operations.get(param(request, 'id'));
    authorize(request, operation);
    operation.cancel();
    events.lifecycle('operation-cancelled', operation.url, operation.spec.project);
    return done();
  });

  router.on(
    'GET',
    '/1.0/operations/:id/wait',
    async (request) => {
      const operation = operations.get(param(request, 'id'));
      authorize(request, operation);
      await wait(operation, waitSeconds(request));
      return sync(operation.render());
    },
    'public',
  );

  router.onUpgrade(
    '/1.0/operations/:id/websocket',
    async (request, socket, head) => {
      const operation = operations.get(param(request, 'id'));
      const secret = request.query.get('secret') ?? '';
      if (!operation.spec.sockets?.knows(secret)) throw forbidden('Unknown or used secret for this operation');
      const webSocket = await acceptWebSocket(request.incoming, socket, head);
      operation.connect(secret, webSocket);
    },
    'public',
  );
};

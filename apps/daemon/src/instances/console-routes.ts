import { instanceConsolePost, instanceUrl } from '@lxd-ts/api';
import type { Events } from '../events/bus.ts';
import { accepted, done } from '../http/reply.ts';
import { json, param } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { sendFile } from '../http/send-file.ts';
import type { Operations } from '../operations/registry.ts';
import { consoleLog, consoleOperation, emptyConsoleLog } from './console.ts';
import { logDirectory } from './render.ts';
import type { InstanceService } from './service.ts';
import { instanceResources, instanceTrees } from './trees.ts';

/** @param logs - `<LXD_DIR>/logs` */
export const consoleRoutes = (
  router: Router,
  instances: InstanceService,
  operations: Operations,
  events: Events,
  logs: string,
): void => {
  for (const { base } of instanceTrees) {
    router.on('POST', `${base}/:name/console`, async (request) => {
      const instance = await instances.get(request.project, param(request, 'name'));
      const body = await json(request, instanceConsolePost);
      const operation = operations.create({
        ...consoleOperation(instances.runOf(instance), instance.type, body),
        description: 'Showing console',
        project: request.project,
        resources: instanceResources(instance),
        mayCancel: true,
      });
      const type = body.type === '' ? 'console' : body.type;
      events.lifecycle('instance-console', instanceUrl(instance.name), instance.project, { type });
      return accepted(operation);
    });

    router.on('GET', `${base}/:name/console`, async (request) => {
      const instance = await instances.get(request.project, param(request, 'name'));
      const reply = await sendFile(request, consoleLog(logDirectory(logs, instance)), 'console.log');
      events.lifecycle('instance-console-retrieved', instanceUrl(instance.name), instance.project);
      return reply;
    });

    router.on('DELETE', `${base}/:name/console`, async (request) => {
      const instance = await instances.get(request.project, param(request, 'name'));
      await emptyConsoleLog(logDirectory(logs, instance));
      events.lifecycle('instance-console-reset', instanceUrl(instance.name), instance.project);
      return done();
    });
  }
};

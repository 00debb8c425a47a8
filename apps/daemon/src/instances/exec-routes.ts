import { instanceExecPost, instanceUrl, resourceUrl } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { accepted } from '../http/reply.ts';
import { json, param } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Operations } from '../operations/registry.ts';
import { execOperation } from './exec.ts';
import { outputDirectory } from './logs.ts';
import { logDirectory } from './render.ts';
import type { InstanceService } from './service.ts';
import { instanceResources, instanceTrees } from './trees.ts';

export const execRoutes = (
  router: Router,
  instances: InstanceService,
  operations: Operations,
  events: Events,
  logs: string,
): void => {
  for (const { base, root } of instanceTrees) {
    router.on('POST', `${base}/:name/exec`, async (request) => {
      const instance = await instances.get(request.project, param(request, 'name'));
      const body = await json(request, instanceExecPost);
      const run = instances.runOf(instance);
      if (!run) throw badRequest('Instance is not running');
      const record = {
        directory: outputDirectory(logDirectory(logs, instance)),
        url: (file: string) =>
          resourceUrl([root, instance.name, 'logs', 'exec-output', file], { project: instance.project }),
      };
      const operation = operations.create({
        ...execOperation(run, instance.expanded.config, body, record),
        description: 'Executing command',
        project: request.project,
        resources: instanceResources(instance),
        mayCancel: true,
      });
      events.lifecycle('instance-exec', instanceUrl(instance.name), instance.project, { command: body.command });
      return accepted(operation);
    });
  }
};

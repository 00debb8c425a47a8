import { instanceBackupPost, instanceBackupsPost, instanceBackupUrl, isUnsetTime, resourceUrl } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { accepted, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { sendFile } from '../http/send-file.ts';
import type { Operations } from '../operations/registry.ts';
import { workOf } from '../operations/work.ts';
import { type BackupService, renderInstanceBackup } from './backups.ts';
import type { Importing } from './backups-import.ts';
import type { Instance } from './instance.ts';
import type { InstanceService } from './service.ts';
import { instanceResources, instanceTrees } from './trees.ts';

interface Parts {
  readonly instances: InstanceService;
  readonly backups: BackupService;
  readonly importing: Importing;
  readonly operations: Operations;
  readonly events: Events;
}

/** @returns what takes an uploaded backup in as a new instance, for the route of instances */
export const backupRoutes = (router: Router, { instances, backups, importing, operations, events }: Parts) => {
  const find = (request: ApiRequest): Promise<Instance> => instances.get(request.project, param(request, 'name'));

  for (const { base, root } of instanceTrees) {
    router.on('GET', `${base}/:name/backups`, async (request) => {
      const instance = await find(request);
      const found = await backups.list(instance);
      if (recursionOf(request) > 0) return sync(found.map(renderInstanceBackup));
      return sync(
        found.map(({ name }) => resourceUrl([root, instance.name, 'backups', name], { project: instance.project })),
      );
    });

    router.on('POST', `${base}/:name/backups`, async (request) => {
      const instance = await find(request);
      const body = await json(request, instanceBackupsPost);
      const { name, create } = await backups.prepare(instance, {
        name: body.name,
        expiresAt: isUnsetTime(body.expires_at) ? undefined : new Date(body.expires_at),
        withoutSnapshots: body.instance_only || body.container_only,
        optimized: body.optimized_storage,
        compression: body.compression_algorithm,
      });
      return accepted(
        operations.create({
          class: 'task',
          description: 'Backing up instance',
          project: request.project,
          // Clients take the name that was chosen from here.
          resources: { ...instanceResources(instance), backups: [`/1.0/backups/${encodeURIComponent(name)}`] },
          run: async (operation) => {
            await create(workOf(operation));
            return undefined;
          },
        }),
      );
    });

    router.on('GET', `${base}/:name/backups/:backup`, async (request) =>
      sync(renderInstanceBackup(await backups.get(await find(request), param(request, 'backup')))),
    );

    router.on('POST', `${base}/:name/backups/:backup`, async (request) => {
      const instance = await find(request);
      const body = await json(request, instanceBackupPost);
      const backup = await backups.get(instance, param(request, 'backup'));
      if (body.name === '') throw badRequest('Field "name" is missing: give the new name');
      return accepted(
        operations.create({
          class: 'task',
          description: 'Renaming instance backup',
          project: request.project,
          resources: instanceResources(instance),
          run: async () => {
            await backups.rename(instance, backup.name, body.name);
            return undefined;
          },
        }),
      );
    });

    router.on('DELETE', `${base}/:name/backups/:backup`, async (request) => {
      const instance = await find(request);
      const backup = await backups.get(instance, param(request, 'backup'));
      return accepted(
        operations.create({
          class: 'task',
          description: 'Removing instance backup',
          project: request.project,
          resources: instanceResources(instance),
          run: async () => {
            await backups.delete(instance, backup.name);
            return undefined;
          },
        }),
      );
    });

    router.on('GET', `${base}/:name/backups/:backup/export`, async (request) => {
      const instance = await find(request);
      const backup = await backups.get(instance, param(request, 'backup'));
      const reply = await sendFile(request, backups.file(instance, backup), backup.name);
      events.lifecycle('instance-backup-retrieved', instanceBackupUrl(instance.name, backup.name), instance.project);
      return reply;
    });
  }

  const header = (request: ApiRequest, name: string): string => {
    const value = request.incoming.headers[name];
    return typeof value === 'string' ? value : '';
  };

  return async (request: ApiRequest) => {
    const prepared = await importing.prepare(
      request.project,
      request.incoming,
      header(request, 'x-lxd-name'),
      header(request, 'x-lxd-pool'),
    );
    return accepted(
      operations.create({
        class: 'task',
        description: 'Restoring backup',
        project: request.project,
        resources: instanceResources(prepared),
        run: async (operation) => {
          await using taken = prepared;
          await taken.create(workOf(operation));
          return undefined;
        },
      }),
    );
  };
};

import {
  checkName,
  instanceSnapshotPost,
  instanceSnapshotPut,
  instanceSnapshotsPost,
  parseTime,
  patchOf,
  resourceUrl,
  zeroTime,
} from '@lxd-ts/api';
import { conflict } from '@lxd-ts/driver-kit';
import { checkIfMatch } from '../http/etag.ts';
import { accepted, type Reply, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { MigrationReplies } from '../migration/routes.ts';
import type { Operations } from '../operations/registry.ts';
import { forClient } from './client-age.ts';
import type { Instance } from './instance.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import { editableSnapshot } from './snapshots-render.ts';
import { instanceResources, instanceTrees } from './trees.ts';

/** The zero time and none at all mean that it is kept. */
const expiryOf = (text: string): Date | undefined => {
  const date = parseTime(text);
  return date.getTime() <= 0 || text === zeroTime ? undefined : date;
};

export const snapshotRoutes = (
  router: Router,
  instances: InstanceService,
  snapshots: SnapshotService,
  migrations: Pick<MigrationReplies, 'send'>,
  operations: Operations,
): void => {
  for (const { root, base } of instanceTrees) {
    const collection = `${base}/:name/snapshots`;
    const item = `${collection}/:snapshot`;
    const instanceOf = (request: ApiRequest): Promise<Instance> =>
      instances.get(request.project, param(request, 'name'));

    const task = (description: string, instance: Instance, subject: string, run: () => Promise<unknown>): Reply =>
      accepted(
        operations.create({
          class: 'task',
          description,
          project: instance.project,
          resources: instanceResources({ ...instance, name: subject }),
          run: async () => {
            await run();
            return undefined;
          },
        }),
      );

    router.on('GET', collection, async (request) => {
      const instance = await instanceOf(request);
      if (recursionOf(request) > 0) {
        const wire = (await snapshots.render([instance])).get(instance.id) ?? [];
        return sync(forClient(request, wire));
      }
      const names = (await snapshots.list(instance)).map((one) => one.name);
      return sync(
        names.map((name) => resourceUrl([root, instance.name, 'snapshots', name], { project: instance.project })),
      );
    });

    router.on('POST', collection, async (request) => {
      const instance = await instanceOf(request);
      const { name, stateful, expires_at } = await json(request, instanceSnapshotsPost);
      await snapshots.checkMayCreate(instance);
      if (name !== '') checkName('instanceSnapshot', name);
      const expiresAt = expires_at === null ? undefined : (expiryOf(expires_at) ?? null);
      return task('Snapshotting instance', instance, instance.name, () =>
        snapshots.create(instance, { name, stateful, expiresAt }),
      );
    });

    router.on('GET', item, async (request) => {
      const instance = await instanceOf(request);
      const snapshot = await snapshots.get(instance, param(request, 'snapshot'));
      const wire = (await snapshots.render([instance])).get(instance.id) ?? [];
      return sync(
        forClient(request, wire).find((one) => one.name === snapshot.name),
        editableSnapshot(snapshot),
      );
    });

    const update =
      (read: (request: ApiRequest) => Promise<{ expires_at?: string | undefined }>) =>
      async (request: ApiRequest): Promise<Reply> => {
        const instance = await instanceOf(request);
        const snapshot = await snapshots.get(instance, param(request, 'snapshot'));
        const { expires_at } = await read(request);
        checkIfMatch(request.ifMatch, editableSnapshot(snapshot));
        return task('Updating snapshot', instance, snapshot.name, async () => {
          if (expires_at !== undefined) await snapshots.setExpiry(instance, snapshot.name, expiryOf(expires_at));
        });
      };
    router.on(
      'PUT',
      item,
      update((request) => json(request, instanceSnapshotPut)),
    );
    router.on(
      'PATCH',
      item,
      update((request) => json(request, patchOf(instanceSnapshotPut))),
    );

    router.on('POST', item, async (request) => {
      const instance = await instanceOf(request);
      const snapshot = await snapshots.get(instance, param(request, 'snapshot'));
      const { name, migration, live, target } = await json(request, instanceSnapshotPost);
      if (migration) {
        const options = { snapshot: snapshot.name, live, instanceOnly: true, allowInconsistent: false };
        return migrations.send(instance, { target }, options);
      }
      checkName('instanceSnapshot', name);
      if ((await snapshots.list(instance)).some((one) => one.name === name))
        throw conflict(`Name '${instance.name}/${name}' already in use`);
      return task('Renaming snapshot', instance, instance.name, () => snapshots.rename(instance, snapshot.name, name));
    });

    router.on('DELETE', item, async (request) => {
      const instance = await instanceOf(request);
      const snapshot = await snapshots.get(instance, param(request, 'snapshot'));
      return task('Deleting snapshot', instance, `${instance.name}/${snapshot.name}`, () =>
        snapshots.delete(instance, snapshot.name),
      );
    });
  }
};

/** Routes that make one instance of another, or another instance of one: copies, moves, restorations, rebuilds. */
import { instanceRebuildPost } from '@lxd-ts/api';
import { badRequest, forbidden, type Work } from '@lxd-ts/driver-kit';
import { accepted, type Reply } from '../http/reply.ts';
import { json, param } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { MigrationReplies } from '../migration/routes.ts';
import type { Operations } from '../operations/registry.ts';
import { workOf } from '../operations/work.ts';
import type { Copying } from './copy.ts';
import type { Instance } from './instance.ts';
import type { Moving } from './move.ts';
import type { Rebuilding } from './rebuild.ts';
import type { InstanceRouteParts } from './routes.ts';
import type { InstanceService } from './service.ts';
import type { SnapshotService } from './snapshots.ts';
import { instanceResources, instanceTrees } from './trees.ts';

interface Parts {
  readonly instances: InstanceService;
  readonly copying: Copying;
  readonly moving: Moving;
  readonly rebuilding: Rebuilding;
  readonly snapshots: SnapshotService;
  readonly migrations: MigrationReplies;
  readonly operations: Operations;
}

/** @returns the parts of the instance routes that are special */
export const copyRoutes = (router: Router, parts: Parts): InstanceRouteParts['special'] => {
  const { instances, copying, moving, rebuilding, snapshots, migrations, operations } = parts;

  const task = (
    description: string,
    project: string,
    resources: Record<string, string[]>,
    run: (work: Work) => Promise<unknown>,
  ) =>
    operations.create({
      class: 'task',
      description,
      project,
      resources,
      run: async (operation) => {
        await run(workOf(operation));
        return undefined;
      },
    });

  for (const { base } of instanceTrees) {
    router.on('POST', `${base}/:name/rebuild`, async (request) => {
      const instance = await instances.get(request.project, param(request, 'name'));
      const { source } = await json(request, instanceRebuildPost);
      return accepted(
        task('Rebuilding instance', instance.project, instanceResources(instance), (work) =>
          rebuilding.rebuild(instance, source, work),
        ),
      );
    });
  }

  /** URLs of the copy and its source, by kind. */
  const copyResources = (copy: Instance | Pick<Instance, 'name' | 'project' | 'type'>, source: Instance) => {
    const of = instanceResources(source);
    return Object.fromEntries(
      Object.entries(instanceResources(copy)).map(([kind, urls]) => [kind, [...urls, ...(of[kind] ?? [])]]),
    );
  };

  return {
    async create(request, body): Promise<Reply | undefined> {
      if (body.source.type === 'migration') return migrations.receive(request.project, body);
      if (body.source.type !== 'copy') return undefined;
      const from = body.source.project || request.project;
      if (request.identity.projects && !request.identity.projects.includes(from))
        throw forbidden(`The certificate may not use project "${from}"`);
      const prepared = await copying.prepare(request.project, body);
      const { name, project, source } = prepared;
      const resources = copyResources({ name, project, type: source.type }, source);
      // Without progress, which only rsync tells: that takes several times as long for a small tree.
      return accepted(
        task('Creating instance', project, resources, ({ signal }) => prepared.create(signal ? { signal } : {})),
      );
    },

    async post(_request, instance, body): Promise<Reply | undefined> {
      if (body.project !== '' && body.project !== instance.project)
        throw badRequest('Moving instances between projects is not supported on this server: copy the instance');
      if (body.pool === '') {
        if (!body.migration && !body.target) return undefined;
        return migrations.send(instance, body, {
          live: body.live,
          instanceOnly: body.instance_only || body.container_only,
          allowInconsistent: body.allow_inconsistent,
        });
      }
      const { pool, name } = body;
      const only = body.instance_only || body.container_only;
      const { instances: urls = [] } = instanceResources(instance);
      return accepted(
        task('Migrating instance', instance.project, { instances: urls }, async ({ signal }) => {
          await moving.toPool(instance, pool, only, signal ? { signal } : {});
          if (name !== '' && name !== instance.name)
            await instances.rename(await instances.get(instance.project, instance.name), name);
        }),
      );
    },

    async restore(_request, instance, body): Promise<Reply> {
      // `lxc` sends the snapshot's name with the instance's before it.
      const name = body.restore?.split('/').at(-1) ?? '';
      return accepted(
        task('Restoring snapshot', instance.project, instanceResources(instance), () =>
          snapshots.restore(instance, name, body.stateful),
        ),
      );
    },
  };
};

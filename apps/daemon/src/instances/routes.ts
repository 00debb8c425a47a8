import {
  type InstancePut,
  instancePost,
  instancePut,
  instanceStatePut,
  instancesPost,
  instancesPut,
  patchOf,
  resourceUrl,
} from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import { checkIfMatch } from '../http/etag.ts';
import { filterFrom } from '../http/filter.ts';
import { accepted, done, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Operations } from '../operations/registry.ts';
import { workOf } from '../operations/work.ts';
import { forClient, type InstanceWire } from './client-age.ts';
import type { Creation } from './create.ts';
import type { Instance } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import { editableInstance, renderInstance } from './render.ts';
import type { InstanceService } from './service.ts';
import { type DiskUsage, renderState } from './state.ts';
import type { InstanceChange } from './store.ts';
import { instanceResources, instanceTrees } from './trees.ts';

export interface InstanceRouteParts {
  readonly instances: InstanceService;
  readonly lifecycle: Lifecycle;
  readonly creation: Creation;
  readonly operations: Operations;
  /** What the disks of instances use; a constant number of queries. */
  readonly diskUsage: (instances: readonly Instance[]) => Promise<(instance: Instance) => Promise<DiskUsage>>;
  /** Snapshots and backups of instances on the wire, for the full form; a constant number of queries. */
  readonly extras: (
    instances: readonly Instance[],
  ) => Promise<(instance: Instance) => { snapshots: readonly InstanceWire[] | null; backups: unknown }>;
  /** Sources other than image and none, renames across pools, restores: rooms of their own. */
  readonly special: {
    create?: (
      request: ApiRequest,
      body: ReturnType<typeof instancesPost.parse>,
    ) => Promise<ReturnType<typeof accepted> | undefined>;
    upload?: (request: ApiRequest) => Promise<ReturnType<typeof accepted>>;
    post?: (
      request: ApiRequest,
      instance: Instance,
      body: ReturnType<typeof instancePost.parse>,
    ) => Promise<ReturnType<typeof accepted> | undefined>;
    restore?: (request: ApiRequest, instance: Instance, body: InstancePut) => Promise<ReturnType<typeof accepted>>;
  };
}

const actions: Readonly<Record<string, string>> = {
  start: 'Starting instance',
  stop: 'Stopping instance',
  restart: 'Restarting instance',
  freeze: 'Freezing instance',
  unfreeze: 'Unfreezing instance',
};

export const instanceRoutes = (router: Router, parts: InstanceRouteParts): void => {
  const { instances, lifecycle, creation, operations, diskUsage } = parts;

  const full = async (wanted: readonly Instance[]) => {
    const [extrasOf, usageOf] = await Promise.all([parts.extras(wanted), diskUsage(wanted)]);
    const rendered = wanted.map(async (instance) => {
      const run = instances.runOf(instance);
      const { snapshots, backups } = extrasOf(instance);
      const state = await renderState(run, await usageOf(instance));
      return { ...renderInstance(instance, run), backups, state, snapshots };
    });
    return Promise.all(rendered);
  };

  const act = (instance: Instance, action: string, force: boolean, timeout: number): Promise<void> => {
    switch (action) {
      case 'start':
        return lifecycle.start(instance);
      case 'stop':
        return lifecycle.stop(instance, { force, timeout });
      case 'restart':
        return lifecycle.restart(instance, { force, timeout });
      case 'freeze':
        return lifecycle.freeze(instance);
      default:
        return lifecycle.unfreeze(instance);
    }
  };

  const checkAction = (action: string): string => {
    const description = actions[action];
    if (!description) throw badRequest(`Unknown action "${action}": use one of ${Object.keys(actions).join(', ')}`);
    return description;
  };

  const changeOf = (instance: Instance, body: InstancePut): InstanceChange => {
    const { restore: _restore, profiles, architecture, ...change } = body;
    return { ...change, architecture: architecture || instance.architecture, profiles: profiles ?? [] };
  };

  for (const { root, base, type } of instanceTrees) {
    const get = async (request: ApiRequest): Promise<Instance> => {
      const instance = await instances.get(request.project, param(request, 'name'));
      return instance;
    };

    router.on('GET', base, async (request) => {
      const all = request.query.get('all-projects') === 'true';
      if (all && request.query.get('project')) throw badRequest('Give either project or all-projects, not both');
      const matches = filterFrom(request);
      const found = await instances.list({ ...(all ? {} : { project: request.project }), ...(type ? { type } : {}) });
      const ready = found.filter((instance) => instance.state === 'ready');
      const permitted = request.identity.projects
        ? ready.filter((one) => request.identity.projects?.includes(one.project))
        : ready;
      const recursion = recursionOf(request);
      if (recursion >= 2) {
        const wanted = matches
          ? permitted.filter((one) => matches(renderInstance(one, instances.runOf(one))))
          : permitted;
        return sync(forClient(request, await full(wanted)));
      }
      const wanted = permitted
        .map((one) => ({ one, wire: renderInstance(one, instances.runOf(one)) }))
        .filter(({ wire }) => !matches || matches(wire));
      return sync(
        recursion === 1
          ? forClient(
              request,
              wanted.map(({ wire }) => wire),
            )
          : wanted.map(({ one }) => resourceUrl([root, one.name], { project: one.project })),
      );
    });

    router.on('POST', base, async (request) => {
      if (request.incoming.headers['content-type']?.startsWith('application/octet-stream') && parts.special.upload) {
        return parts.special.upload(request);
      }
      const body = await json(request, instancesPost);
      if (type && body.type === '') body.type = type;
      const special = await parts.special.create?.(request, body);
      if (special) return special;
      const prepared = await creation.prepare(request.project, body);
      const target = {
        name: prepared.name,
        project: prepared.project,
        type: body.type === 'virtual-machine' ? ('virtual-machine' as const) : ('container' as const),
      };
      return accepted(
        operations.create({
          class: 'task',
          description: 'Creating instance',
          project: request.project,
          resources: instanceResources(target),
          mayCancel: false,
          run: async (operation) => {
            await prepared.create(workOf(operation));
            return undefined;
          },
        }),
      );
    });

    router.on('PUT', base, async (request) => {
      const { state } = await json(request, instancesPut);
      if (!state) throw badRequest('Field "state" is missing');
      const description = checkAction(state.action);
      const found = await instances.list({ project: request.project, ...(type ? { type } : {}) });
      const wanted = found.filter((one) => (instances.runOf(one) === undefined) === (state.action === 'start'));
      return accepted(
        operations.create({
          class: 'task',
          description,
          project: request.project,
          resources: { instances: wanted.map((one) => resourceUrl(['instances', one.name], { project: one.project })) },
          run: async () => {
            const outcomes = await Promise.allSettled(
              wanted.map((one) => act(one, state.action, state.force, state.timeout)),
            );
            const failures = outcomes.flatMap((outcome, at) =>
              outcome.status === 'rejected' ? [`${wanted[at]?.name}: ${outcome.reason}`] : [],
            );
            if (failures.length > 0) throw badRequest(failures.join('; '));
            return undefined;
          },
        }),
      );
    });

    router.on('GET', `${base}/:name`, async (request) => {
      const instance = await get(request);
      const wire =
        recursionOf(request) > 0 ? await full([instance]) : [renderInstance(instance, instances.runOf(instance))];
      return sync(forClient(request, wire)[0], editableInstance(instance));
    });

    router.on('PUT', `${base}/:name`, async (request) => {
      const instance = await get(request);
      const body = await json(request, instancePut);
      checkIfMatch(request.ifMatch, editableInstance(instance));
      if (body.restore && parts.special.restore) return parts.special.restore(request, instance, body);
      return accepted(
        operations.create({
          class: 'task',
          description: 'Updating instance',
          project: request.project,
          resources: instanceResources(instance),
          run: async () => {
            await instances.update(instance, changeOf(instance, body));
            return undefined;
          },
        }),
      );
    });

    router.on('PATCH', `${base}/:name`, async (request) => {
      const instance = await get(request);
      const body = await json(request, patchOf(instancePut));
      checkIfMatch(request.ifMatch, editableInstance(instance));
      await instances.update(instance, {
        architecture: body.architecture || instance.architecture,
        description: body.description ?? instance.description,
        ephemeral: body.ephemeral ?? instance.ephemeral,
        config: { ...instance.config, ...body.config },
        devices: { ...instance.devices, ...body.devices },
        profiles: body.profiles ?? instance.profiles,
      });
      return done();
    });

    router.on('POST', `${base}/:name`, async (request) => {
      const instance = await get(request);
      const body = await json(request, instancePost);
      const special = await parts.special.post?.(request, instance, body);
      if (special) return special;
      if (body.name === '') throw badRequest('Field "name" is missing: give the new name');
      return accepted(
        operations.create({
          class: 'task',
          description: 'Renaming instance',
          project: request.project,
          resources: instanceResources(instance),
          run: async () => {
            await instances.rename(instance, body.name);
            return undefined;
          },
        }),
      );
    });

    router.on('DELETE', `${base}/:name`, async (request) => {
      const instance = await get(request);
      if (instances.runOf(instance)) throw badRequest('Instance is running');
      return accepted(
        operations.create({
          class: 'task',
          description: 'Deleting instance',
          project: request.project,
          resources: instanceResources(instance),
          run: async () => {
            await instances.delete(instance);
            return undefined;
          },
        }),
      );
    });

    router.on('GET', `${base}/:name/state`, async (request) => {
      const instance = await get(request);
      const usageOf = await diskUsage([instance]);
      return sync(await renderState(instances.runOf(instance), await usageOf(instance)));
    });

    router.on('PUT', `${base}/:name/state`, async (request) => {
      const instance = await get(request);
      const body = await json(request, instanceStatePut);
      const description = checkAction(body.action);
      return accepted(
        operations.create({
          class: 'task',
          description,
          project: request.project,
          resources: instanceResources(instance),
          run: async () => {
            await act(instance, body.action, body.force, body.timeout);
            return undefined;
          },
        }),
      );
    });
  }
};

import { patchOf, projectPut, resourceUrl } from '@lxd-ts/api';
import { type Config, type ConfigKey, validateConfig, withoutEmpty } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { done, sync } from '../http/reply.ts';
import { json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Project, ProjectStore } from './store.ts';

/** Keys that can be changed in the default project: it always has every feature. */
const defaultProjectKeys: readonly ConfigKey[] = [
  { key: 'features.*', type: 'bool', values: ['true'], description: 'Fixed to true in the default project' },
  { key: 'user.*', type: 'string', description: 'Free-form keys' },
];

const editable = ({ description, config }: Project) => ({ description, config });

export const projectRoutes = (
  router: Router,
  projects: ProjectStore,
  events: Events,
  usedBy: (project: string) => Promise<readonly string[]>,
): void => {
  const render = async ({ name, description, config }: Project) => ({
    config,
    description,
    name,
    used_by: await usedBy(name),
  });

  const write = async (
    project: Project,
    change: { description: string; config: Config },
    ifMatch: string | undefined,
  ) => {
    checkIfMatch(ifMatch, editable(project));
    const config = withoutEmpty(change.config);
    validateConfig(defaultProjectKeys, config, 'project');
    await projects.update(project, { description: change.description, config });
    events.lifecycle('project-updated', resourceUrl(['projects', project.name]), project.name);
    return done();
  };

  router.on('GET', '/1.0/projects', async (request) => {
    const all = (await projects.list()).filter(
      ({ name }) => !request.identity.projects || request.identity.projects.includes(name),
    );
    return sync(
      recursionOf(request) > 0
        ? await Promise.all(all.map(render))
        : all.map(({ name }) => resourceUrl(['projects', name])),
    );
  });

  router.on('GET', '/1.0/projects/:name', async (request) => {
    const project = await projects.get(param(request, 'name'));
    return sync(await render(project), editable(project));
  });

  router.on(
    'PUT',
    '/1.0/projects/:name',
    async (request) =>
      write(await projects.get(param(request, 'name')), await json(request, projectPut), request.ifMatch),
    'admin',
  );

  router.on(
    'PATCH',
    '/1.0/projects/:name',
    async (request) => {
      const project = await projects.get(param(request, 'name'));
      const change = await json(request, patchOf(projectPut));
      return write(
        project,
        { description: change.description ?? project.description, config: { ...project.config, ...change.config } },
        request.ifMatch,
      );
    },
    'admin',
  );
};

import { patchOf, profilePost, profilePut, profilesPost, resourceUrl } from '@lxd-ts/api';
import { created, done, sync } from '../http/reply.ts';
import { json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { editableProfile, type ProfileService } from './service.ts';
import type { Profile } from './store.ts';

const render = ({ config, description, devices, name, instances }: Profile) => ({
  config,
  description,
  devices,
  name,
  used_by: instances.map((instance) => resourceUrl(['instances', instance.name], { project: instance.project })),
});

export const profileRoutes = (router: Router, profiles: ProfileService): void => {
  router.on('GET', '/1.0/profiles', async (request) => {
    const all = await profiles.list(request.query.get('all-projects') === 'true' ? undefined : request.project);
    return sync(
      recursionOf(request) > 0
        ? all.map(render)
        : all.map(({ name, project }) => resourceUrl(['profiles', name], { project })),
    );
  });

  router.on('POST', '/1.0/profiles', async (request) => {
    const { name, ...content } = await json(request, profilesPost);
    await profiles.create(request.project, name, content);
    return created(resourceUrl(['profiles', name], { project: request.project }));
  });

  router.on('GET', '/1.0/profiles/:name', async (request) => {
    const profile = await profiles.get(request.project, param(request, 'name'));
    return sync(render(profile), editableProfile(profile));
  });

  router.on('PUT', '/1.0/profiles/:name', async (request) => {
    await profiles.update(request.project, param(request, 'name'), await json(request, profilePut), request.ifMatch);
    return done();
  });

  router.on('PATCH', '/1.0/profiles/:name', async (request) => {
    await profiles.patch(
      request.project,
      param(request, 'name'),
      await json(request, patchOf(profilePut)),
      request.ifMatch,
    );
    return done();
  });

  router.on('POST', '/1.0/profiles/:name', async (request) => {
    const { name } = await json(request, profilePost);
    await profiles.rename(request.project, param(request, 'name'), name);
    return created(resourceUrl(['profiles', name], { project: request.project }));
  });

  router.on('DELETE', '/1.0/profiles/:name', async (request) => {
    await profiles.delete(request.project, param(request, 'name'));
    return done();
  });
};

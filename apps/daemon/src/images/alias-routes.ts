import { imageAliasesEntryPost, imageAliasesEntryPut, imageAliasesPost, imageAliasUrl, patchOf } from '@lxd-ts/api';
import { badRequest, notFound } from '@lxd-ts/driver-kit';
import { checkIfMatch } from '../http/etag.ts';
import { filterFrom } from '../http/filter.ts';
import { isTrustedIn } from '../http/identity.ts';
import { created, done, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { ImageAliases } from './aliases.ts';
import { renderAlias } from './render.ts';
import type { ImageService } from './service.ts';
import type { Alias } from './store.ts';

interface Parts {
  readonly images: ImageService;
  readonly aliases: ImageAliases;
  /** The project whose images a project uses. */
  readonly projectOf: (project: string) => Promise<string>;
}

/** `/1.0/images/aliases`. Names may hold slashes. Everybody may see aliases of public images. */
export const imageAliasRoutes = (router: Router, { images, aliases, projectOf }: Parts): void => {
  const one = '/1.0/images/aliases/:name{.+}';

  const visible = async (request: ApiRequest): Promise<readonly Alias[]> => {
    const project = await projectOf(request.project);
    const all = await aliases.list(project);
    if (isTrustedIn(request.identity, request.project)) return all;
    const open = new Set(
      (await images.list(project)).filter((image) => image.public).map(({ fingerprint }) => fingerprint),
    );
    return all.filter(({ target }) => open.has(target));
  };

  const get = async (request: ApiRequest): Promise<Alias> => {
    const name = param(request, 'name');
    const alias = (await visible(request)).find((candidate) => candidate.name === name);
    if (!alias) throw notFound('Image alias not found');
    return alias;
  };

  router.on(
    'GET',
    '/1.0/images/aliases',
    async (request) => {
      const matches = filterFrom(request);
      const all = (await visible(request)).filter((alias) => !matches || matches(renderAlias(alias)));
      return sync(
        recursionOf(request) > 0
          ? all.map(renderAlias)
          : all.map(({ name }) => imageAliasUrl(name, { project: request.project })),
      );
    },
    'public',
  );

  router.on('POST', '/1.0/images/aliases', async (request) => {
    const { name, description, target } = await json(request, imageAliasesPost);
    if (name === '' || target === '') throw badRequest('name and target are required');
    await aliases.create(await images.get(await projectOf(request.project), target), { name, description });
    return created(imageAliasUrl(name, { project: request.project }));
  });

  router.on(
    'GET',
    one,
    async (request) => {
      const alias = renderAlias(await get(request));
      return sync(alias, alias);
    },
    'public',
  );

  router.on('PUT', one, async (request) => {
    const alias = await get(request);
    checkIfMatch(request.ifMatch, renderAlias(alias));
    const { description, target } = await json(request, imageAliasesEntryPut);
    if (target === '') throw badRequest('The target field is required');
    await aliases.update(alias, { description, target: await images.get(alias.project, target) });
    return done();
  });

  router.on('PATCH', one, async (request) => {
    const alias = await get(request);
    checkIfMatch(request.ifMatch, renderAlias(alias));
    const { description = alias.description, target = alias.target } = await json(
      request,
      patchOf(imageAliasesEntryPut),
    );
    await aliases.update(alias, { description, target: await images.get(alias.project, target) });
    return done();
  });

  router.on('POST', one, async (request) => {
    const { name } = await json(request, imageAliasesEntryPost);
    await aliases.rename(await get(request), name);
    return created(imageAliasUrl(name, { project: request.project }));
  });

  router.on('DELETE', one, async (request) => {
    await aliases.delete(await get(request));
    return done();
  });
};

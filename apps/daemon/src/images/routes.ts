import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  imageAliasesEntryPost,
  imageAliasesEntryPut,
  imageAliasesPost,
  imageAliasUrl,
  imagePut,
  imageUrl,
  patchOf,
} from '@lxd-ts/api';
import { badRequest, notFound } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { filterFrom } from '../http/filter.ts';
import { isTrusted } from '../http/identity.ts';
import { accepted, created, done, type Reply, stream, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Operations } from '../operations/registry.ts';
import { saveStream } from './files.ts';
import type { ImageService } from './service.ts';
import type { Alias, Image } from './store.ts';

/** The time an image that has none shows. */
const epoch = '1970-01-01T00:00:00Z';
const never = '0001-01-01T00:00:00Z';

const render = (image: Image) => ({
  auto_update: image.autoUpdate,
  properties: image.properties,
  public: image.public,
  expires_at: image.expiresAt?.toISOString() ?? epoch,
  profiles: image.profiles,
  aliases: image.aliases,
  architecture: image.architecture,
  cached: image.cached,
  filename: image.filename,
  fingerprint: image.fingerprint,
  size: image.size,
  ...(image.origin ? { update_source: { ...image.origin, image_type: image.type } } : {}),
  type: image.type,
  created_at: image.createdAt?.toISOString() ?? epoch,
  last_used_at: image.lastUsedAt?.toISOString() ?? never,
  uploaded_at: image.uploadedAt.toISOString(),
});

const editable = (image: Image) => {
  const { auto_update, properties, public: isPublic, expires_at, profiles } = render(image);
  return { auto_update, properties, public: isPublic, expires_at, profiles };
};

const renderAlias = ({ name, description, target, type }: Alias) => ({ description, target, name, type });

/** A time of the API as a date; the zero times mean none. */
const dateOf = (time: string): Date | undefined => {
  const date = new Date(time);
  return date.getTime() <= 0 ? undefined : date;
};

const header = (request: ApiRequest, name: string): string => {
  const value = request.incoming.headers[name];
  return Array.isArray(value) ? (value[0] ?? '') : (value ?? '');
};

export const imageRoutes = (router: Router, images: ImageService, operations: Operations, events: Events): void => {
  const visible = (request: ApiRequest, image: Image): boolean => isTrusted(request.identity) || image.public;

  const get = async (request: ApiRequest): Promise<Image> => {
    const image = await images.get(request.project, param(request, 'fingerprint'));
    if (!visible(request, image)) throw notFound('Image not found');
    return image;
  };

  /** Takes a raw body as a unified image. The body is read before the reply, as clients expect. */
  const upload = async (request: ApiRequest): Promise<Reply> => {
    const work = await images.workDirectory();
    try {
      const main = join(work.path, 'main');
      const { size, sha256 } = await saveStream(request.incoming, main, createHash('sha256'));
      const expected = header(request, 'x-lxd-fingerprint');
      if (expected && expected !== sha256)
        throw badRequest(
          `Image fingerprint doesn't match: the upload has ${sha256}, X-LXD-fingerprint says ${expected}`,
        );
      const profiles = new URLSearchParams(header(request, 'x-lxd-profiles')).getAll('profile');
      return accepted(
        operations.create({
          class: 'task',
          description: 'Downloading image',
          project: request.project,
          run: async () => {
            await using _work = work;
            const image = await images.add({
              project: request.project,
              main,
              fingerprint: sha256,
              size,
              filename: header(request, 'x-lxd-filename') || sha256,
              public: header(request, 'x-lxd-public') === '1' || header(request, 'x-lxd-public') === 'true',
              autoUpdate: false,
              cached: false,
              properties: Object.fromEntries(new URLSearchParams(header(request, 'x-lxd-properties'))),
              profiles: profiles.length > 0 ? profiles : ['default'],
              aliases: [],
            });
            return { fingerprint: image.fingerprint, size: String(image.size) };
          },
        }),
      );
    } catch (error) {
      await work[Symbol.asyncDispose]();
      throw error;
    }
  };

  router.on(
    'GET',
    '/1.0/images',
    async (request) => {
      const matches = filterFrom(request);
      const all = (await images.list(request.project)).filter(
        (image) => image.state === 'ready' && visible(request, image),
      );
      const wanted = matches ? all.filter((image) => matches(render(image))) : all;
      return sync(
        recursionOf(request) > 0
          ? wanted.map(render)
          : wanted.map(({ fingerprint, project }) => imageUrl(fingerprint, { project })),
      );
    },
    'public',
  );

  router.on('POST', '/1.0/images', (request) => upload(request));

  router.on('GET', '/1.0/images/aliases', async (request) => {
    const all = await images.aliases(request.project);
    return sync(
      recursionOf(request) > 0
        ? all.map(renderAlias)
        : all.map(({ name, project }) => imageAliasUrl(name, { project })),
    );
  });

  router.on('POST', '/1.0/images/aliases', async (request) => {
    const body = await json(request, imageAliasesPost);
    await images.createAlias(request.project, body);
    return created(imageAliasUrl(body.name, { project: request.project }));
  });

  router.on('GET', '/1.0/images/aliases/:name{.+}', async (request) => {
    const alias = await images.alias(request.project, param(request, 'name'));
    return sync(renderAlias(alias), renderAlias(alias));
  });

  router.on('PUT', '/1.0/images/aliases/:name{.+}', async (request) => {
    const alias = await images.alias(request.project, param(request, 'name'));
    checkIfMatch(request.ifMatch, renderAlias(alias));
    await images.updateAlias(alias, await json(request, imageAliasesEntryPut));
    return done();
  });

  router.on('PATCH', '/1.0/images/aliases/:name{.+}', async (request) => {
    const alias = await images.alias(request.project, param(request, 'name'));
    checkIfMatch(request.ifMatch, renderAlias(alias));
    const change = await json(request, patchOf(imageAliasesEntryPut));
    await images.updateAlias(alias, {
      description: change.description ?? alias.description,
      target: change.target ?? alias.target,
    });
    return done();
  });

  router.on('POST', '/1.0/images/aliases/:name{.+}', async (request) => {
    const { name } = await json(request, imageAliasesEntryPost);
    await images.renameAlias(await images.alias(request.project, param(request, 'name')), name);
    return created(imageAliasUrl(name, { project: request.project }));
  });

  router.on('DELETE', '/1.0/images/aliases/:name{.+}', async (request) => {
    await images.deleteAlias(await images.alias(request.project, param(request, 'name')));
    return done();
  });

  router.on(
    'GET',
    '/1.0/images/:fingerprint',
    async (request) => {
      const image = await get(request);
      return sync(render(image), editable(image));
    },
    'public',
  );

  router.on('PUT', '/1.0/images/:fingerprint', async (request) => {
    const image = await get(request);
    checkIfMatch(request.ifMatch, editable(image));
    const body = await json(request, imagePut);
    await images.update(image, {
      autoUpdate: body.auto_update,
      properties: body.properties,
      public: body.public,
      expiresAt: dateOf(body.expires_at),
      profiles: body.profiles,
    });
    return done();
  });

  router.on('PATCH', '/1.0/images/:fingerprint', async (request) => {
    const image = await get(request);
    checkIfMatch(request.ifMatch, editable(image));
    const body = await json(request, patchOf(imagePut));
    await images.update(image, {
      autoUpdate: body.auto_update ?? image.autoUpdate,
      properties: { ...image.properties, ...body.properties },
      public: body.public ?? image.public,
      expiresAt: body.expires_at === undefined ? image.expiresAt : dateOf(body.expires_at),
      profiles: body.profiles ?? image.profiles,
    });
    return done();
  });

  router.on('DELETE', '/1.0/images/:fingerprint', async (request) => {
    const image = await get(request);
    return accepted(
      operations.create({
        class: 'task',
        description: 'Deleting image',
        project: request.project,
        resources: { images: [imageUrl(image.fingerprint, { project: image.project })] },
        run: async () => {
          await images.delete(image);
          return undefined;
        },
      }),
    );
  });

  router.on(
    'GET',
    '/1.0/images/:fingerprint/export',
    async (request) => {
      const image = await get(request);
      const { main } = await images.files(image);
      events.lifecycle('image-retrieved', imageUrl(image.fingerprint), image.project);
      return stream(async (response) => {
        const { size } = await stat(main);
        response.writeHead(200, {
          'Content-Type': 'application/octet-stream',
          'Content-Length': size,
          'Content-Disposition': `inline;filename=${image.filename}`,
        });
        await pipeline(createReadStream(main), response);
      });
    },
    'public',
  );
};

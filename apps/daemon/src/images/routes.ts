import { pipeline } from 'node:stream/promises';
import { imageExportPost, imagePut, imageUrl, patchOf } from '@lxd-ts/api';
import { badRequest, notFound } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { filterFrom } from '../http/filter.ts';
import { isTrustedIn } from '../http/identity.ts';
import { accepted, done, stream, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Operation } from '../operations/operation.ts';
import { createImageCreation, type ImageCreationParts } from './create-routes.ts';
import { exportOf } from './export.ts';
import { showProgress, watchDownload } from './progress.ts';
import { pushImage } from './push.ts';
import type { ImageRefresh } from './refresh.ts';
import { dateOf, editableImage, renderImage } from './render.ts';
import type { Image } from './store.ts';

interface Parts extends ImageCreationParts {
  readonly refresh: ImageRefresh;
  readonly events: Events;
}

/** `/1.0/images` without the aliases. */
export const imageRoutes = (router: Router, parts: Parts): void => {
  const { images, secrets, operations, refresh, events, projectOf } = parts;

  /** The token that opens an image for somebody who is not trusted. */
  const tokenOf = (request: ApiRequest, image: Image): Operation | undefined =>
    secrets.find(request.project, image.fingerprint, request.query.get('secret') ?? '');

  const get = async (request: ApiRequest): Promise<Image> => {
    const project = await projectOf(request.project);
    const image = await images.get(project, param(request, 'fingerprint'));
    const mayUse =
      isTrustedIn(request.identity, request.project) || image.public || tokenOf(request, image) !== undefined;
    if (image.state !== 'ready' || !mayUse) throw notFound('Image not found');
    return image;
  };

  const resources = (request: ApiRequest, image: Image) => ({
    images: [imageUrl(image.fingerprint, { project: request.project })],
  });

  const create = createImageCreation(parts);

  router.on(
    'GET',
    '/1.0/images',
    async (request) => {
      const matches = filterFrom(request);
      const all = (await images.list(await projectOf(request.project))).filter(
        (image) => isTrustedIn(request.identity, request.project) || image.public,
      );
      const wanted = matches ? all.filter((image) => matches(renderImage(image))) : all;
      return sync(
        recursionOf(request) > 0
          ? wanted.map(renderImage)
          : wanted.map(({ fingerprint }) => imageUrl(fingerprint, { project: request.project })),
      );
    },
    'public',
  );

  router.on('POST', '/1.0/images', create, 'public');

  router.on(
    'GET',
    '/1.0/images/:fingerprint',
    async (request) => {
      const image = await get(request);
      return sync(renderImage(image), editableImage(image));
    },
    'public',
  );

  router.on('PUT', '/1.0/images/:fingerprint', async (request) => {
    const image = await get(request);
    checkIfMatch(request.ifMatch, editableImage(image));
    const body = await json(request, imagePut);
    await images.update(image, {
      autoUpdate: body.auto_update,
      properties: body.properties,
      public: body.public,
      expiresAt: dateOf(body.expires_at),
      profiles: body.profiles ?? image.profiles,
    });
    return done();
  });

  router.on('PATCH', '/1.0/images/:fingerprint', async (request) => {
    const image = await get(request);
    checkIfMatch(request.ifMatch, editableImage(image));
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
        resources: resources(request, image),
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
      const token = tokenOf(request, image);
      const { headers, open } = await exportOf(image.fingerprint, await images.files(image));
      token?.complete();
      events.lifecycle('image-retrieved', imageUrl(image.fingerprint), request.project, {
        target: request.identity.address,
      });
      return stream(async (response) => {
        response.writeHead(200, headers);
        if (request.method === 'HEAD') response.end();
        else await pipeline(open(), response);
      });
    },
    'public',
  );

  router.on('POST', '/1.0/images/:fingerprint/export', async (request) => {
    const image = await get(request);
    const body = await json(request, imageExportPost);
    if (body.target === '') throw badRequest('The target field is missing: give the URL of the server to push to');
    return accepted(
      operations.create({
        class: 'task',
        description: 'Downloading image',
        project: request.project,
        resources: resources(request, image),
        run: async () => {
          await pushImage(images, image, body);
          events.lifecycle('image-retrieved', imageUrl(image.fingerprint), request.project, { target: body.target });
          return undefined;
        },
      }),
    );
  });

  router.on('POST', '/1.0/images/:fingerprint/secret', async (request) => {
    const image = await get(request);
    events.lifecycle('image-secret-created', imageUrl(image.fingerprint), request.project);
    return accepted(secrets.create(request.project, image.fingerprint));
  });

  router.on('POST', '/1.0/images/:fingerprint/refresh', async (request) => {
    const image = await get(request);
    return accepted(
      operations.create({
        class: 'task',
        description: 'Refreshing image',
        project: request.project,
        resources: resources(request, image),
        run: async (operation) => ({
          refreshed: await refresh.refresh(image, {
            signal: operation.signal,
            progress: watchDownload(showProgress(operation, 'download', 'rootfs')),
          }),
        }),
      }),
    );
  });
};

import { imageMetadata, patchOf } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import { checkIfMatch } from '../http/etag.ts';
import { done, type Reply, stream, sync } from '../http/reply.ts';
import { type ApiRequest, json, param } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Instance } from './instance.ts';
import type { InstanceMetadata } from './metadata.ts';
import { instanceTrees } from './trees.ts';

interface Parts {
  readonly find: (project: string, name: string) => Promise<Instance>;
  readonly metadata: InstanceMetadata;
}

/** `/1.0/instances/<name>/metadata` and the templates below it. */
export const instanceMetadataRoutes = (router: Router, { find, metadata }: Parts): void => {
  const get = (request: ApiRequest): Promise<Instance> => find(request.project, param(request, 'name'));

  const requirePath = (request: ApiRequest): string => {
    const path = request.query.get('path');
    if (!path) throw badRequest('missing path argument');
    return path;
  };

  const template = async (instance: Instance, name: string): Promise<Reply> => {
    const { content, modifiedAt } = await metadata.readTemplate(instance, name);
    return stream(async (response) => {
      response.writeHead(200, {
        'Content-Type': 'application/octet-stream',
        'Content-Length': content.length,
        'Content-Disposition': `inline;filename=${encodeURIComponent(name)}`,
        'Last-Modified': modifiedAt.toUTCString(),
      });
      response.end(content);
    });
  };

  for (const { base } of instanceTrees) {
    const path = `${base}/:name/metadata`;

    router.on('GET', path, async (request) => {
      const found = await metadata.get(await get(request));
      return sync(found, found);
    });

    router.on('PUT', path, async (request) => {
      const instance = await get(request);
      const body = await json(request, imageMetadata);
      await metadata.set(instance, (current) => {
        checkIfMatch(request.ifMatch, current);
        return { ...body, properties: body.properties ?? {}, templates: body.templates ?? {} };
      });
      return done();
    });

    router.on('PATCH', path, async (request) => {
      const instance = await get(request);
      const change = await json(request, patchOf(imageMetadata));
      await metadata.set(instance, (current) => {
        checkIfMatch(request.ifMatch, current);
        return {
          architecture: change.architecture ?? current.architecture,
          creation_date: change.creation_date ?? current.creation_date,
          expiry_date: change.expiry_date ?? current.expiry_date,
          properties: { ...current.properties, ...change.properties },
          templates: { ...current.templates, ...change.templates },
        };
      });
      return done();
    });

    router.on('GET', `${path}/templates`, async (request) => {
      const instance = await get(request);
      const name = request.query.get('path');
      return name ? template(instance, name) : sync(await metadata.templates(instance));
    });

    router.on('POST', `${path}/templates`, async (request) => {
      const instance = await get(request);
      await metadata.writeTemplate(instance, requirePath(request), request.incoming);
      return done();
    });

    router.on('DELETE', `${path}/templates`, async (request) => {
      const instance = await get(request);
      await metadata.deleteTemplate(instance, requirePath(request));
      return done();
    });
  }
};

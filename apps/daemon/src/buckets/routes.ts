import {
  patchOf,
  type StorageBucket,
  type StorageBucketKey,
  storageBucketKeyPut,
  storageBucketKeysPost,
  storageBucketPut,
  storageBucketsPost,
} from '@lxd-ts/api';
import { done, type Reply, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { type BucketKeys, editableKey, type KeyContent, keyUrl } from './keys.ts';
import { type BucketName, type BucketService, bucketUrl, editableBucket } from './service.ts';
import type { StoredBucket, StoredKey } from './store.ts';

interface Parts {
  readonly buckets: BucketService;
  readonly keys: BucketKeys;
  /** The project that holds the buckets of a project. */
  readonly projectOf: (project: string) => Promise<string>;
}

const renderKey = (key: StoredKey): StorageBucketKey => ({ ...editableKey(key), name: key.name });

const contentOf = (body: {
  readonly description: string;
  readonly role: string;
  readonly 'access-key': string;
  readonly 'secret-key': string;
}): KeyContent => ({
  description: body.description,
  role: body.role,
  accessKey: body['access-key'],
  secretKey: body['secret-key'],
});

/** 201 that also shows what was made, credentials and all. */
const made = (location: string, key: StoredKey): Reply => ({ kind: 'sync', metadata: renderKey(key), location });

export const bucketRoutes = (router: Router, { buckets, keys, projectOf }: Parts): void => {
  const all = '/1.0/storage-pools/:pool/buckets';
  const one = `${all}/:bucket`;

  const render = async (bucket: StoredBucket): Promise<StorageBucket> => ({
    config: bucket.config,
    description: bucket.description,
    name: bucket.name,
    s3_url: await buckets.url(bucket),
    location: bucket.local ? 'none' : '',
  });

  const nameOf = async (request: ApiRequest, name = param(request, 'bucket')): Promise<BucketName> => ({
    pool: param(request, 'pool'),
    project: await projectOf(request.project),
    name,
  });

  router.on('GET', all, async (request) => {
    const found = await buckets.list(param(request, 'pool'), await projectOf(request.project));
    return sync(recursionOf(request) > 0 ? await Promise.all(found.map(render)) : found.map(bucketUrl));
  });

  router.on('POST', all, async (request) => {
    const { name, ...content } = await json(request, storageBucketsPost);
    const bucket = await nameOf(request, name);
    return made(bucketUrl(bucket), await buckets.create(bucket, content));
  });

  router.on('GET', one, async (request) => {
    const bucket = await buckets.get(await nameOf(request));
    return sync(await render(bucket), editableBucket(bucket));
  });

  router.on('PUT', one, async (request) => {
    await buckets.update(await nameOf(request), await json(request, storageBucketPut), request.ifMatch);
    return done();
  });

  router.on('PATCH', one, async (request) => {
    const name = await nameOf(request);
    const change = await json(request, patchOf(storageBucketPut));
    const before = await buckets.get(name);
    const { description = before.description, config } = change;
    await buckets.update(name, { description, config: { ...before.config, ...config } }, request.ifMatch);
    return done();
  });

  router.on('DELETE', one, async (request) => {
    await buckets.delete(await nameOf(request));
    return done();
  });

  router.on('GET', `${one}/keys`, async (request) => {
    const bucket = await nameOf(request);
    const found = await keys.list(bucket);
    return sync(recursionOf(request) > 0 ? found.map(renderKey) : found.map(({ name }) => keyUrl(bucket, name)));
  });

  router.on('POST', `${one}/keys`, async (request) => {
    const bucket = await nameOf(request);
    const { name, ...body } = await json(request, storageBucketKeysPost);
    return made(keyUrl(bucket, name), await keys.create(bucket, name, contentOf(body)));
  });

  router.on('GET', `${one}/keys/:key`, async (request) => {
    const key = await keys.get(await nameOf(request), param(request, 'key'));
    return sync(renderKey(key), editableKey(key));
  });

  router.on('PUT', `${one}/keys/:key`, async (request) => {
    const bucket = await nameOf(request);
    await keys.update(
      bucket,
      param(request, 'key'),
      contentOf(await json(request, storageBucketKeyPut)),
      request.ifMatch,
    );
    return done();
  });

  router.on('DELETE', `${one}/keys/:key`, async (request) => {
    await keys.delete(await nameOf(request), param(request, 'key'));
    return done();
  });
};

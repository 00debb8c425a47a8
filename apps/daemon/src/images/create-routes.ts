import { once } from 'node:events';
import { type ImagesPost, imageAlias, imagesPost } from '@lxd-ts/api';
import { badRequest, conflict, forbidden, type InstanceType } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { isTrustedIn } from '../http/identity.ts';
import { accepted, type Reply } from '../http/reply.ts';
import { type ApiRequest, json } from '../http/request.ts';
import type { Instance } from '../instances/instance.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/registry.ts';
import { type ImageFetch, remoteSourceOf } from './fetch.ts';
import { showProgress, watchDownload } from './progress.ts';
import type { Publish, PublishSource } from './publish.ts';
import { checkAlgorithm } from './publish.ts';
import { receiveImage } from './receive.ts';
import { dateOf } from './render.ts';
import type { ImageSecrets } from './secrets.ts';
import type { ImageRecord, ImageService } from './service.ts';
import type { Image } from './store.ts';

export interface ImageCreationParts {
  readonly images: ImageService;
  readonly fetch: ImageFetch;
  readonly publish: Publish;
  readonly secrets: ImageSecrets;
  readonly operations: Operations;
  readonly projectOf: (project: string) => Promise<string>;
  readonly setting: (project: string, key: string) => Promise<string | undefined>;
  /** @throws LxdError not-found */
  readonly instance: (project: string, name: string) => Promise<Instance>;
}

/** What a push token keeps of the request that made it. */
const pushToken = z.object({
  aliases: z.array(imageAlias),
  expires_at: z.string(),
  properties: z.record(z.string(), z.string()),
  public: z.boolean(),
});

const header = (request: ApiRequest, name: string): string => {
  const value = request.incoming.headers[name];
  return Array.isArray(value) ? (value[0] ?? '') : (value ?? '');
};

/** Whether the body is JSON: clients that say nothing of its type are known by its first character. */
const isJson = async (request: ApiRequest): Promise<boolean> => {
  const type = header(request, 'content-type');
  if (type.startsWith('application/json')) return true;
  if (type.startsWith('multipart/') || type.startsWith('application/octet-stream')) return false;
  const { incoming } = request;
  if (incoming.readableLength === 0 && !incoming.readableEnded) await once(incoming, 'readable');
  const first: unknown = incoming.read(1);
  if (!Buffer.isBuffer(first)) return false;
  incoming.unshift(first);
  return first.toString() === '{';
};

/** `POST /1.0/images`: uploads, pushes from other servers, and all that a JSON body can ask for (spec 04.104, 04.105). */
export const createImageCreation = (parts: ImageCreationParts) => {
  const { images, fetch, publish, secrets, operations } = parts;

  const start = (
    request: ApiRequest,
    run: (operation: Operation) => Promise<Image>,
    metadata?: Readonly<Record<string, unknown>>,
  ): Reply =>
    accepted(
      operations.create({
        class: 'task',
        description: 'Downloading image',
        project: request.project,
        ...(metadata ? { metadata } : {}),
        run: async (operation) => {
          const image = await run(operation);
          return { fingerprint: image.fingerprint, size: String(image.size) };
        },
      }),
    );

  /** What the headers of an upload say about the image. */
  const uploadRecord = (request: ApiRequest, project: string): ImageRecord => {
    const pairs = (name: string): URLSearchParams => new URLSearchParams(header(request, name));
    const profiles = pairs('x-lxd-profiles').getAll('profile');
    return {
      project,
      public: ['1', 'true'].includes(header(request, 'x-lxd-public')),
      autoUpdate: false,
      cached: false,
      properties: Object.fromEntries(pairs('x-lxd-properties')),
      profiles: header(request, 'x-lxd-profiles') === '' ? undefined : profiles,
      aliases: pairs('x-lxd-aliases')
        .getAll('alias')
        .map((name) => ({ name, description: '' })),
    };
  };

  /** Takes a body as an image. It is read before the reply, as clients expect; what is wrong with it the operation tells. */
  const upload = async (request: ApiRequest): Promise<Reply> => {
    const project = await parts.projectOf(request.project);
    const expected = header(request, 'x-lxd-fingerprint');
    const secret = header(request, 'x-lxd-secret');
    const token = secrets.find(request.project, expected, secret);
    if (secret !== '' && !token) throw forbidden('Invalid secret');
    if (!token && !isTrustedIn(request.identity, request.project)) throw forbidden('not authorized');
    let record = uploadRecord(request, project);
    if (token) {
      const kept = pushToken.parse(token.spec.metadata);
      const properties = { ...record.properties, ...kept.properties };
      const { aliases, public: isPublic } = kept;
      record = { ...record, aliases, properties, public: isPublic, expiresAt: dateOf(kept.expires_at) };
      token.complete();
    }
    const work = await images.workDirectory();
    try {
      const files = await receiveImage(
        request.incoming,
        header(request, 'content-type'),
        work.path,
        header(request, 'x-lxd-filename'),
      );
      const run = async (): Promise<Image> => {
        await using _work = work;
        if (expected && expected !== files.fingerprint)
          throw badRequest(`fingerprints don't match, got ${files.fingerprint} expected ${expected}`);
        return await images.add(files, record);
      };
      // Whoever pushed with a token alone needs a secret to wait for the end.
      return start(request, run, token ? { secret: crypto.randomUUID() } : undefined);
    } catch (error) {
      await work[Symbol.asyncDispose]();
      throw error;
    }
  };

  const publishSource = async (project: string, type: string, name: string): Promise<PublishSource> => {
    if (name === '') throw badRequest('The source.name field is missing: name the instance');
    if (type !== 'snapshot') return { instance: await parts.instance(project, name) };
    const [instance = '', snapshot] = name.split('/', 2);
    if (!snapshot) throw badRequest(`Invalid source.name "${name}": a snapshot is named <instance>/<snapshot>`);
    return { instance: await parts.instance(project, instance), snapshot };
  };

  const fromJson = async (request: ApiRequest, body: ImagesPost): Promise<Reply> => {
    const project = await parts.projectOf(request.project);
    const { source } = body;
    if (!source) throw badRequest('The source field is missing');
    const record: ImageRecord = {
      project,
      public: body.public,
      autoUpdate: body.auto_update,
      cached: false,
      expiresAt: dateOf(body.expires_at),
      properties: body.properties ?? {},
      profiles: body.profiles ?? undefined,
      aliases: body.aliases,
    };
    switch (source.type) {
      case 'container':
      case 'instance':
      case 'virtual-machine':
      case 'snapshot': {
        const compression =
          body.compression_algorithm || (await parts.setting(project, 'images.compression_algorithm')) || 'gzip';
        checkAlgorithm(compression);
        const from = await publishSource(request.project, source.type, source.name);
        return start(request, (operation) =>
          publish(
            from,
            { compression, filename: body.filename, properties: body.properties ?? undefined, record },
            {
              signal: operation.signal,
              progress: showProgress(operation, 'create_image_from_container_pack', 'Image pack'),
            },
          ),
        );
      }
      case 'image': {
        if (source.mode === 'push') return pushTarget(request, body, source.fingerprint);
        const type = imageTypeOf(source.image_type);
        return start(request, (operation) => {
          const download = {
            signal: operation.signal,
            progress: watchDownload(showProgress(operation, 'download', 'rootfs')),
          };
          if (source.server) return fetch.fromServer(remoteSourceOf(source, type), record, download);
          return copyHere(request.project, source, record);
        });
      }
      case 'url': {
        if (source.url === '') throw badRequest('The source.url field is missing');
        return start(request, (operation) =>
          fetch.fromUrl(source.url, record, {
            signal: operation.signal,
            progress: watchDownload(showProgress(operation, 'download', 'rootfs')),
          }),
        );
      }
      default:
        throw badRequest('Invalid source.type: use one of instance, snapshot, image, url');
    }
  };

  /** Gives a project an image of another project of this server. */
  const copyHere = async (
    to: string,
    source: { alias: string; fingerprint: string; project: string },
    record: ImageRecord,
  ): Promise<Image> => {
    if (source.fingerprint === '') throw badRequest('must specify one of alias or fingerprint for init from image');
    const original = await images.get(await parts.projectOf(source.project || to), source.fingerprint);
    if (original.project === record.project) throw conflict('Image with same fingerprint already exists');
    const properties = { ...original.properties, ...record.properties };
    const copy = await images.share(original.fingerprint, { ...record, properties });
    if (!copy) throw badRequest('The image is gone');
    return copy;
  };

  /** Makes a one-time key with which another server pushes the image here (spec 04.91). */
  const pushTarget = (request: ApiRequest, body: ImagesPost, fingerprint: string): Reply => {
    if (!/^[0-9a-f]{64}$/.test(fingerprint))
      throw badRequest('The source.fingerprint field must be the whole fingerprint of the image to be pushed');
    const { aliases, expires_at, public: isPublic } = body;
    const metadata = { aliases, expires_at, properties: body.properties ?? {}, public: isPublic };
    return accepted(secrets.create(request.project, fingerprint, metadata));
  };

  return async (request: ApiRequest): Promise<Reply> => {
    if (!(await isJson(request))) return upload(request);
    if (!isTrustedIn(request.identity, request.project)) throw forbidden('not authorized');
    return fromJson(request, await json(request, imagesPost));
  };
};

const imageTypeOf = (type: string): InstanceType | '' => {
  if (type === '' || type === 'container' || type === 'virtual-machine') return type;
  throw badRequest(`Invalid source.image_type "${type}": use container or virtual-machine`);
};

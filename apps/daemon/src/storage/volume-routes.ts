import {
  patchOf,
  storageVolumePost,
  storageVolumePut,
  storageVolumeSnapshotUrl,
  storageVolumesPost,
  storageVolumeUrl,
} from '@lxd-ts/api';
import { badRequest, type ContentType, notFound, type VolumeType } from '@lxd-ts/driver-kit';
import { filterFrom } from '../http/filter.ts';
import { created, done, type Reply, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { VolumeMigration } from '../migration/volumes.ts';
import type { UpdateInstanceVolume } from './instance-volume-update.ts';
import type { PoolStore } from './pool-store.ts';
import type { VolumeCopying } from './volume-copy.ts';
import type { VolumeImporting } from './volume-import.ts';
import { type VolumeName, volumeUrl } from './volume-name.ts';
import { type VolumeRequests, volumePath, volumesPath, volumeType } from './volume-request.ts';
import type { VolumeSnapshots } from './volume-snapshots.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';
import { type CustomVolumes, editableVolume, type VolumeContent } from './volumes.ts';

interface Parts {
  readonly pools: PoolStore;
  readonly store: VolumeStore;
  readonly volumes: CustomVolumes;
  readonly copying: VolumeCopying;
  readonly importing: VolumeImporting;
  readonly migration: VolumeMigration;
  readonly snapshots: VolumeSnapshots;
  readonly requests: VolumeRequests;
  /** URLs of what uses volumes, in a constant number of queries. */
  readonly usedBy: (all: readonly StoredVolume[]) => Promise<(volume: StoredVolume) => readonly string[]>;
  readonly updateInstanceVolume: UpdateInstanceVolume;
  /** Removes an image's volume from one pool; the image stays. */
  readonly deleteImageVolume: (volume: StoredVolume) => Promise<void>;
  /** Usage of an instance's root volume. */
  readonly rootUsage: (volume: StoredVolume) => Promise<{ readonly used: number; readonly total?: number } | undefined>;
}

/** The content type of a volume that comes from elsewhere. */
const contentOf = (word: string): ContentType => {
  if (word === '' || word === 'filesystem') return 'filesystem';
  if (word === 'block' || word === 'iso') return word;
  throw badRequest(`Invalid content type "${word}": use filesystem, block or iso`);
};

/** The content type of a volume that is made empty. */
const emptyContentOf = (word: string): ContentType => {
  if (word === 'iso') throw badRequest('Volumes with content type iso are made by importing an ISO file');
  return contentOf(word);
};

const headerOf = (request: ApiRequest, name: string): string => {
  const value = request.incoming.headers[name];
  return typeof value === 'string' ? value : '';
};

export const volumeRoutes = (router: Router, parts: Parts): void => {
  const { pools, store, volumes, copying, importing, migration, snapshots, requests } = parts;

  const render = (volume: StoredVolume, users: readonly string[]) => ({
    config: volume.config,
    description: volume.description,
    name: volume.name,
    type: volume.type,
    used_by: users,
    location: 'none',
    content_type: volume.content,
    project: volume.project,
    created_at: volume.createdAt.toISOString(),
  });

  const list = async (request: ApiRequest, type: VolumeType | undefined): Promise<Reply> => {
    const { name: pool } = await pools.get(param(request, 'pool'));
    const all = request.query.get('all-projects') === 'true';
    const own = await requests.projectOf(request.project);
    const isSeen = (volume: StoredVolume): boolean =>
      all || volume.type === 'image' || volume.project === (volume.type === 'custom' ? own : request.project);
    const found = (await store.list({ pool, ...(type ? { type } : {}) })).filter(
      (volume) => volume.state === 'ready' && isSeen(volume),
    );
    const matches = filterFrom(request);
    const [usersOf, snapshotsOf] = await Promise.all([
      parts.usedBy(found),
      store.snapshotsByVolume(found.map(({ id }) => id)),
    ]);
    const rendered = found.map((volume) => {
      const { pool: owner, type: kind, name, project } = volume;
      const saved = (snapshotsOf.get(volume.id) ?? []).filter((snapshot) => snapshot.state === 'ready');
      const wire = render(volume, usersOf(volume));
      return [
        { wire, url: storageVolumeUrl(owner, kind, name, { project }) },
        // Snapshots are listed like volumes, as `<volume>/<snapshot>`.
        ...saved.map((snapshot) => ({
          wire: {
            ...wire,
            name: `${name}/${snapshot.name}`,
            description: snapshot.description,
            config: snapshot.config,
            used_by: [],
            created_at: snapshot.createdAt.toISOString(),
          },
          url: storageVolumeSnapshotUrl(owner, kind, name, snapshot.name, { project }),
        })),
      ];
    });
    const wanted = rendered.flat().filter(({ wire }) => !matches || matches(wire));
    return sync(wanted.map(({ wire, url }) => (recursionOf(request) > 0 ? wire : url)));
  };

  /** A volume that is made of what the client sends. */
  const upload = async (request: ApiRequest): Promise<Reply> => {
    const name = {
      pool: param(request, 'pool'),
      project: await requests.projectOf(request.project),
      name: headerOf(request, 'x-lxd-name'),
    };
    await pools.get(name.pool);
    const isIso = headerOf(request, 'x-lxd-type') === 'iso';
    const prepared = await (isIso ? importing.iso : importing.backup)(name, request.incoming);
    const description = isIso ? 'Importing ISO file' : 'Restoring custom volume backup';
    return requests.task(request, description, prepared.name, async (work) => {
      await using received = prepared;
      await received.create(work);
    });
  };

  const create = async (request: ApiRequest, typeWord: string | undefined): Promise<Reply> => {
    if (request.incoming.headers['content-type'] === 'application/octet-stream') {
      if (typeWord !== undefined && volumeType(typeWord) !== 'custom')
        throw badRequest(`Currently not allowed to create storage volumes of type "${typeWord}"`);
      return upload(request);
    }
    const body = await json(request, storageVolumesPost);
    const type = volumeType(typeWord ?? (body.type || 'custom'));
    if (type !== 'custom') throw badRequest(`Currently not allowed to create storage volumes of type "${type}"`);
    const target: VolumeName = {
      pool: param(request, 'pool'),
      project: await requests.projectOf(request.project),
      name: body.name,
    };
    const { source, description, config } = body;
    if (source.type === 'migration') {
      const receive = await migration.prepareReceiving({
        name: target,
        content: contentOf(body.content_type),
        description,
        config,
        volumeOnly: source.volume_only,
        refresh: source.refresh,
      });
      const peer = source.mode === 'push' ? undefined : { at: source, field: 'source' };
      return requests.migrate(request, 'Creating storage volume', target, peer, receive);
    }
    if (source.type === 'copy') {
      const [name = '', snapshot] = source.name.split('/');
      const from = {
        pool: source.pool || target.pool,
        project: await requests.projectOf(source.project || request.project),
        name,
        ...(snapshot === undefined ? {} : { snapshot }),
        volumeOnly: source.volume_only,
        refresh: source.refresh,
      };
      await pools.get(target.pool);
      await copying.check(target, from);
      return requests.task(request, 'Copying storage volume', target, (work) =>
        copying.copy(target, { description, config }, from, work),
      );
    }
    await volumes.create(target, emptyContentOf(body.content_type), { description, config });
    // Without a location, unlike what else is created.
    return done();
  };

  router.on('GET', volumesPath, (request) => list(request, undefined));
  router.on('POST', volumesPath, (request) => create(request, undefined));
  router.on('GET', `${volumesPath}/:type`, (request) => list(request, volumeType(param(request, 'type'))));
  router.on('POST', `${volumesPath}/:type`, (request) => create(request, param(request, 'type')));

  router.on('GET', volumePath, async (request) => {
    const volume = await requests.find(request);
    if (volume.state !== 'ready') throw notFound('Storage volume not found');
    const usersOf = await parts.usedBy([volume]);
    return sync(render(volume, usersOf(volume)), editableVolume(volume));
  });

  const update = async (request: ApiRequest, row: StoredVolume, change: VolumeContent): Promise<Reply> => {
    if (row.type === 'container' || row.type === 'virtual-machine')
      await parts.updateInstanceVolume(row, change, request.ifMatch);
    else await volumes.update(await requests.customOnly(request, 'changed'), change, request.ifMatch);
    return done();
  };

  router.on('PUT', volumePath, async (request) => {
    const { restore, description, config } = await json(request, storageVolumePut);
    if (!restore) return update(request, await requests.find(request), { description, config });
    await snapshots.restore(await requests.customOnly(request, 'restored'), restore);
    return done();
  });

  router.on('PATCH', volumePath, async (request) => {
    const change = await json(request, patchOf(storageVolumePut));
    const before = await requests.find(request);
    return update(request, before, {
      description: change.description ?? before.description,
      config: { ...before.config, ...change.config },
    });
  });

  router.on('POST', volumePath, async (request) => {
    const name = await requests.customOnly(request, 'renamed or moved');
    const body = await json(request, storageVolumePost);
    if (body.migration) {
      const send = await migration.prepareSending(name, { volumeOnly: body.volume_only });
      const peer = body.target ? { at: body.target, field: 'target' } : undefined;
      return requests.migrate(request, 'Migrating storage volume', name, peer, send);
    }
    if (body.name === '') throw badRequest('No name provided');
    const target = {
      pool: body.pool || name.pool,
      project: body.project === '' ? name.project : await requests.projectOf(body.project),
      name: body.name,
    };
    if (target.pool === name.pool && target.project === name.project) {
      await copying.rename(name, target.name);
      return created(volumeUrl(target));
    }
    await pools.get(target.pool);
    await copying.check(target, { ...name, refresh: false });
    return requests.task(request, 'Moving storage volume', name, (work) => copying.move(name, target, work));
  });

  router.on('DELETE', volumePath, async (request) => {
    const volume = await requests.find(request);
    if (volume.type === 'image') await parts.deleteImageVolume(volume);
    else await volumes.delete(await requests.customOnly(request, 'deleted'));
    return done();
  });

  router.on('GET', `${volumePath}/state`, async (request) => {
    const volume = await requests.find(request);
    const usage = volume.type === 'custom' ? await volumes.usage(volume) : await parts.rootUsage(volume);
    // A driver that would have to read the whole volume to tell says nothing.
    return sync({ usage: usage ? { used: usage.used, total: usage.total ?? 0 } : null });
  });
};

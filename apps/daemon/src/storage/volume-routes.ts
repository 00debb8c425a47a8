import {
  patchOf,
  storageVolumePost,
  storageVolumePut,
  storageVolumeSnapshotPost,
  storageVolumeSnapshotPut,
  storageVolumeSnapshotsPost,
  storageVolumeSnapshotUrl,
  storageVolumesPost,
  storageVolumeUrl,
} from '@lxd-ts/api';
import { badRequest, type ContentType, type VolumeType, type Work } from '@lxd-ts/driver-kit';
import { filterFrom } from '../http/filter.ts';
import { accepted, created, done, type Reply, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { Operations } from '../operations/registry.ts';
import type { PoolStore } from './pool-store.ts';
import { editableVolumeSnapshot, type VolumeSnapshots } from './volume-snapshots.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from './volume-store.ts';
import { type CustomVolumes, editableVolume, type VolumeName, volumeUrl } from './volumes.ts';

interface Parts {
  readonly pools: PoolStore;
  readonly store: VolumeStore;
  readonly volumes: CustomVolumes;
  readonly snapshots: VolumeSnapshots;
  readonly operations: Operations;
  readonly usedBy: (volume: StoredVolume) => Promise<readonly string[]>;
  /** Removes an image's volume from one pool; the image stays. */
  readonly deleteImageVolume: (volume: StoredVolume) => Promise<void>;
  /** Usage of an instance's root volume. */
  readonly rootUsage: (volume: StoredVolume) => Promise<{ readonly used: number; readonly total?: number } | undefined>;
}

const types = ['container', 'virtual-machine', 'image', 'custom'] as const satisfies readonly VolumeType[];

const typeOf = (word: string): VolumeType => {
  const type = types.find((known) => known === word);
  if (!type) throw badRequest(`Invalid storage volume type "${word}": use one of ${types.join(', ')}`);
  return type;
};

const contentOf = (word: string): ContentType => {
  if (word === '' || word === 'filesystem') return 'filesystem';
  if (word === 'block' || word === 'iso') return word;
  throw badRequest(`Invalid content type "${word}": use filesystem or block`);
};

/** A time of a request as a date: the zero time means never. */
const dateOf = (time: string): Date | null => {
  const date = new Date(time);
  return date.getTime() <= 0 ? null : date;
};

export const volumeRoutes = (router: Router, parts: Parts): void => {
  const { pools, store, volumes, snapshots, operations } = parts;
  const base = '/1.0/storage-pools/:pool/volumes';

  const nameOf = (request: ApiRequest): VolumeName => ({
    pool: param(request, 'pool'),
    project: request.project,
    name: param(request, 'name'),
  });

  /** Only custom volumes are changed here; those of instances belong to their instances. */
  const customOnly = (request: ApiRequest, what: string): VolumeName => {
    const type = typeOf(param(request, 'type'));
    if (type !== 'custom') throw badRequest(`Storage volumes of type "${type}" cannot be ${what} with the storage API`);
    return nameOf(request);
  };

  const find = (request: ApiRequest): Promise<StoredVolume> => {
    const type = typeOf(param(request, 'type'));
    return store.get(
      param(request, 'pool'),
      type === 'image' ? 'default' : request.project,
      type,
      param(request, 'name'),
    );
  };

  const render = async (volume: StoredVolume) => ({
    config: volume.config,
    description: volume.description,
    name: volume.name,
    type: volume.type,
    used_by: await parts.usedBy(volume),
    location: 'none',
    content_type: volume.content,
    project: volume.project,
    created_at: volume.createdAt.toISOString(),
  });

  const renderSnapshot = (volume: StoredVolume, snapshot: StoredSnapshot, name: string) => ({
    description: snapshot.description,
    expires_at: snapshot.expiresAt?.toISOString() ?? null,
    name,
    config: snapshot.config,
    content_type: volume.content,
    created_at: snapshot.createdAt.toISOString(),
  });

  const task = (request: ApiRequest, description: string, url: string, run: (work: Work) => Promise<void>): Reply =>
    accepted(
      operations.create({
        class: 'task',
        description,
        project: request.project,
        resources: { storage_volumes: [url] },
        run: async (operation) => {
          await run({ signal: operation.signal });
          return undefined;
        },
      }),
    );

  const list = async (request: ApiRequest, type: VolumeType | undefined): Promise<Reply> => {
    const { name: pool } = await pools.get(param(request, 'pool'));
    const all = request.query.get('all-projects') === 'true';
    const found = (await store.list({ pool, ...(type ? { type } : {}) })).filter(
      (volume) => volume.state === 'ready' && (all || volume.type === 'image' || volume.project === request.project),
    );
    const matches = filterFrom(request);
    const rendered = await Promise.all(
      found.map(async (volume) => {
        const { pool: owner, type: kind, name, project } = volume;
        const saved = (await store.snapshots(volume.id)).filter((snapshot) => snapshot.state === 'ready');
        const wire = await render(volume);
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
      }),
    );
    const wanted = rendered.flat().filter(({ wire }) => !matches || matches(wire));
    return sync(wanted.map(({ wire, url }) => (recursionOf(request) > 0 ? wire : url)));
  };

  const create = async (request: ApiRequest, typeWord: string | undefined): Promise<Reply> => {
    const body = await json(request, storageVolumesPost);
    const type = typeOf(typeWord ?? (body.type || 'custom'));
    if (type !== 'custom') throw badRequest(`Storage volumes of type "${type}" cannot be created with the storage API`);
    const target: VolumeName = { pool: param(request, 'pool'), project: request.project, name: body.name };
    const { source, description, config } = body;
    if (source.type === 'migration')
      throw badRequest('Field "source.type": migration between servers is not available for volumes');
    if (source.type === 'copy') {
      const [name = '', snapshot] = source.name.split('/');
      const from = {
        pool: source.pool || target.pool,
        project: source.project || request.project,
        name,
        ...(snapshot === undefined ? {} : { snapshot }),
        volumeOnly: source.volume_only,
        refresh: source.refresh,
      };
      await volumes.get(from);
      return task(request, 'Copying storage volume', volumeUrl(target), (work) =>
        volumes.copy(target, { description, config }, from, work),
      );
    }
    await volumes.create(target, contentOf(body.content_type), { description, config });
    return created(volumeUrl(target));
  };

  router.on('GET', base, (request) => list(request, undefined));
  router.on('POST', base, (request) => create(request, undefined));
  router.on('GET', `${base}/:type`, (request) => list(request, typeOf(param(request, 'type'))));
  router.on('POST', `${base}/:type`, (request) => create(request, param(request, 'type')));

  const one = `${base}/:type/:name`;

  router.on('GET', one, async (request) => {
    const volume = await find(request);
    return sync(await render(volume), editableVolume(volume));
  });

  router.on('PUT', one, async (request) => {
    const name = customOnly(request, 'changed');
    const { restore, description, config } = await json(request, storageVolumePut);
    if (restore) await snapshots.restore(name, restore);
    else await volumes.update(name, { description, config }, request.ifMatch);
    return done();
  });

  router.on('PATCH', one, async (request) => {
    const name = customOnly(request, 'changed');
    const change = await json(request, patchOf(storageVolumePut));
    const before = await volumes.get(name);
    await volumes.update(
      name,
      { description: change.description ?? before.description, config: { ...before.config, ...change.config } },
      request.ifMatch,
    );
    return done();
  });

  router.on('POST', one, async (request) => {
    const name = customOnly(request, 'renamed or moved');
    const body = await json(request, storageVolumePost);
    if (body.migration) throw badRequest('Field "migration": migration between servers is not available for volumes');
    const target = {
      pool: body.pool || name.pool,
      project: body.project || name.project,
      name: body.name || name.name,
    };
    if (target.pool === name.pool && target.project === name.project) {
      await volumes.rename(name, target.name);
      return created(volumeUrl(target));
    }
    await volumes.get(name);
    return task(request, 'Moving storage volume', volumeUrl(name), (work) => volumes.move(name, target, work));
  });

  router.on('DELETE', one, async (request) => {
    const volume = await find(request);
    if (volume.type === 'image') await parts.deleteImageVolume(volume);
    else await volumes.delete(customOnly(request, 'deleted'));
    return done();
  });

  router.on('GET', `${one}/state`, async (request) => {
    const volume = await find(request);
    const usage = volume.type === 'custom' ? await volumes.usage(nameOf(request)) : await parts.rootUsage(volume);
    // A driver that would have to read the whole volume to tell says nothing.
    return sync({ usage: usage ? { used: usage.used, total: usage.total ?? 0 } : null });
  });

  router.on('GET', `${one}/snapshots`, async (request) => {
    const volume = await find(request);
    const all = (await store.snapshots(volume.id)).filter((snapshot) => snapshot.state === 'ready');
    if (recursionOf(request) > 0)
      return sync(all.map((snapshot) => renderSnapshot(volume, snapshot, `${volume.name}/${snapshot.name}`)));
    return sync(
      all.map((snapshot) =>
        storageVolumeSnapshotUrl(volume.pool, volume.type, volume.name, snapshot.name, { project: volume.project }),
      ),
    );
  });

  router.on('POST', `${one}/snapshots`, async (request) => {
    const name = customOnly(request, 'snapshotted');
    const body = await json(request, storageVolumeSnapshotsPost);
    await volumes.get(name);
    return task(request, 'Snapshotting storage volume', volumeUrl(name), async () => {
      await snapshots.create(name, body.name, body.expires_at === null ? undefined : dateOf(body.expires_at));
    });
  });

  router.on('GET', `${one}/snapshots/:snapshot`, async (request) => {
    const volume = await find(request);
    const snapshot = (await store.snapshots(volume.id)).find((each) => each.name === param(request, 'snapshot'));
    // The service's own look-up gives the error.
    const found = snapshot ?? (await snapshots.get(nameOf(request), param(request, 'snapshot')));
    return sync(renderSnapshot(volume, found, found.name), editableVolumeSnapshot(found));
  });

  router.on('PUT', `${one}/snapshots/:snapshot`, async (request) => {
    const body = await json(request, storageVolumeSnapshotPut);
    const expiresAt = body.expires_at === null ? undefined : (dateOf(body.expires_at) ?? undefined);
    await snapshots.update(
      customOnly(request, 'changed'),
      param(request, 'snapshot'),
      { description: body.description, expiresAt },
      request.ifMatch,
    );
    return done();
  });

  router.on('PATCH', `${one}/snapshots/:snapshot`, async (request) => {
    const name = customOnly(request, 'changed');
    const body = await json(request, patchOf(storageVolumeSnapshotPut));
    const before = await snapshots.get(name, param(request, 'snapshot'));
    const expiresAt =
      body.expires_at === undefined || body.expires_at === null
        ? before.expiresAt
        : (dateOf(body.expires_at) ?? undefined);
    await snapshots.update(
      name,
      before.name,
      { description: body.description ?? before.description, expiresAt },
      request.ifMatch,
    );
    return done();
  });

  router.on('POST', `${one}/snapshots/:snapshot`, async (request) => {
    const name = customOnly(request, 'renamed');
    const body = await json(request, storageVolumeSnapshotPost);
    const snapshot = (await snapshots.get(name, param(request, 'snapshot'))).name;
    return task(request, 'Renaming storage volume snapshot', volumeUrl(name), () =>
      snapshots.rename(name, snapshot, body.name),
    );
  });

  router.on('DELETE', `${one}/snapshots/:snapshot`, async (request) => {
    const name = customOnly(request, 'deleted');
    const snapshot = (await snapshots.get(name, param(request, 'snapshot'))).name;
    return task(request, 'Deleting storage volume snapshot', volumeUrl(name), () => snapshots.delete(name, snapshot));
  });
};

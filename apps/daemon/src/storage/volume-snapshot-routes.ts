import {
  patchOf,
  storageVolumeSnapshotPost,
  storageVolumeSnapshotPut,
  storageVolumeSnapshotsPost,
  storageVolumeSnapshotUrl,
  zeroTime,
} from '@lxd-ts/api';
import { notFound } from '@lxd-ts/driver-kit';
import { done, sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { VolumeMigration } from '../migration/volumes.ts';
import { timeOf, type VolumeRequests, volumePath } from './volume-request.ts';
import { editableVolumeSnapshot, type VolumeSnapshots } from './volume-snapshots.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from './volume-store.ts';

interface Parts {
  readonly store: VolumeStore;
  readonly snapshots: VolumeSnapshots;
  readonly migration: VolumeMigration;
  readonly requests: VolumeRequests;
}

/** In lists, LXD says `null` of a snapshot that does not expire, and of one alone the zero time: clients show what they are told. */
const render = (volume: StoredVolume, snapshot: StoredSnapshot, name: string, never: string | null) => ({
  description: snapshot.description,
  expires_at: snapshot.expiresAt?.toISOString() ?? never,
  name,
  config: snapshot.config,
  content_type: volume.content,
  created_at: snapshot.createdAt.toISOString(),
});

export const volumeSnapshotRoutes = (router: Router, { store, snapshots, migration, requests }: Parts): void => {
  const base = `${volumePath}/snapshots`;
  const one = `${base}/:snapshot`;

  /** The snapshots, of a volume of any type, that are there. */
  const listOf = async (volume: StoredVolume): Promise<StoredSnapshot[]> =>
    (await store.snapshots(volume.id)).filter((snapshot) => snapshot.state === 'ready');

  const findOf = async (request: ApiRequest, volume: StoredVolume): Promise<StoredSnapshot> => {
    const found = (await listOf(volume)).find(({ name }) => name === param(request, 'snapshot'));
    if (!found) throw notFound('Storage volume snapshot not found');
    return found;
  };

  router.on('GET', base, async (request) => {
    const volume = await requests.find(request);
    const { pool, type, name, project } = volume;
    const all = await listOf(volume);
    if (recursionOf(request) > 0)
      return sync(all.map((snapshot) => render(volume, snapshot, `${name}/${snapshot.name}`, null)));
    return sync(all.map((snapshot) => storageVolumeSnapshotUrl(pool, type, name, snapshot.name, { project })));
  });

  router.on('POST', base, async (request) => {
    const name = await requests.customOnly(request, 'snapshotted');
    const body = await json(request, storageVolumeSnapshotsPost);
    await snapshots.list(name);
    await snapshots.checkMayCreate(name);
    return requests.task(request, 'Creating storage volume snapshot', name, () =>
      snapshots.create(name, body.name, timeOf(body.expires_at)),
    );
  });

  router.on('GET', one, async (request) => {
    const volume = await requests.find(request);
    const found = await findOf(request, volume);
    return sync(render(volume, found, found.name, zeroTime), editableVolumeSnapshot(found));
  });

  router.on('PUT', one, async (request) => {
    const name = await requests.customOnly(request, 'changed');
    const { description, expires_at } = await json(request, storageVolumeSnapshotPut);
    const change = { description, expiresAt: timeOf(expires_at) ?? undefined };
    await snapshots.update(name, param(request, 'snapshot'), change, request.ifMatch);
    return done();
  });

  router.on('PATCH', one, async (request) => {
    const name = await requests.customOnly(request, 'changed');
    const { description, expires_at } = await json(request, patchOf(storageVolumeSnapshotPut));
    const before = await snapshots.get(name, param(request, 'snapshot'));
    const expiresAt = timeOf(expires_at ?? null);
    const change = {
      description: description ?? before.description,
      expiresAt: expiresAt === undefined ? before.expiresAt : (expiresAt ?? undefined),
    };
    await snapshots.update(name, before.name, change, request.ifMatch);
    return done();
  });

  router.on('POST', one, async (request) => {
    const name = await requests.customOnly(request, 'renamed');
    const body = await json(request, storageVolumeSnapshotPost);
    const snapshot = (await snapshots.get(name, param(request, 'snapshot'))).name;
    if (body.migration) {
      const send = await migration.prepareSending(name, { snapshot, volumeOnly: true });
      const peer = body.target ? { at: body.target, field: 'target' } : undefined;
      return requests.migrate(request, 'Transferring storage volume snapshot', name, peer, send);
    }
    return requests.task(request, 'Renaming storage volume snapshot', name, () =>
      snapshots.rename(name, snapshot, body.name),
    );
  });

  router.on('DELETE', one, async (request) => {
    const name = await requests.customOnly(request, 'deleted');
    const snapshot = (await snapshots.get(name, param(request, 'snapshot'))).name;
    return requests.task(request, 'Deleting storage volume snapshot', name, () => snapshots.delete(name, snapshot));
  });
};

import {
  isUnsetTime,
  storagePoolVolumeBackupPost,
  storagePoolVolumeBackupsPost,
  storageVolumeBackupUrl,
} from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { sync } from '../http/reply.ts';
import { type ApiRequest, json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { sendFile } from '../http/send-file.ts';
import { renderVolumeBackup, type VolumeBackups } from './volume-backups.ts';
import { type VolumeRequests, volumePath } from './volume-request.ts';
import type { StoredVolume } from './volume-store.ts';
import type { CustomVolumes } from './volumes.ts';

interface Parts {
  readonly volumes: CustomVolumes;
  readonly volumeBackups: VolumeBackups;
  readonly requests: VolumeRequests;
  readonly events: Events;
}

export const volumeBackupRoutes = (router: Router, { volumes, volumeBackups, requests, events }: Parts): void => {
  const base = `${volumePath}/backups`;
  const one = `${base}/:backup`;

  const find = async (request: ApiRequest): Promise<StoredVolume> =>
    volumes.get(await requests.customOnly(request, 'backed up'));
  const urlOf = ({ pool, name, project }: StoredVolume, backup: string): string =>
    storageVolumeBackupUrl(pool, 'custom', name, backup, { project });

  router.on('GET', base, async (request) => {
    const volume = await find(request);
    const found = await volumeBackups.list(volume);
    return sync(
      recursionOf(request) > 0 ? found.map(renderVolumeBackup) : found.map(({ name }) => urlOf(volume, name)),
    );
  });

  router.on('POST', base, async (request) => {
    const volume = await find(request);
    const body = await json(request, storagePoolVolumeBackupsPost);
    const { name, create } = await volumeBackups.prepare(volume, {
      name: body.name,
      expiresAt: isUnsetTime(body.expires_at) ? undefined : new Date(body.expires_at),
      withoutSnapshots: body.volume_only,
      optimized: body.optimized_storage,
      compression: body.compression_algorithm,
    });
    // Clients take the name that was chosen from here.
    const backups = [`/1.0/backups/${encodeURIComponent(name)}`];
    return requests.task(request, 'Creating custom volume backup', volume, create, { backups });
  });

  router.on('GET', one, async (request) =>
    sync(renderVolumeBackup(await volumeBackups.get(await find(request), param(request, 'backup')))),
  );

  router.on('POST', one, async (request) => {
    const volume = await find(request);
    const body = await json(request, storagePoolVolumeBackupPost);
    const { name } = await volumeBackups.get(volume, param(request, 'backup'));
    if (body.name === '') throw badRequest('Field "name" is missing: give the new name');
    return requests.task(request, 'Renaming custom volume backup', volume, () =>
      volumeBackups.rename(volume, name, body.name),
    );
  });

  router.on('DELETE', one, async (request) => {
    const volume = await find(request);
    const { name } = await volumeBackups.get(volume, param(request, 'backup'));
    return requests.task(request, 'Deleting custom volume backup', volume, () => volumeBackups.delete(volume, name));
  });

  router.on('GET', `${one}/export`, async (request) => {
    const volume = await find(request);
    const backup = await volumeBackups.get(volume, param(request, 'backup'));
    const reply = await sendFile(request, volumeBackups.file(volume, backup), backup.name);
    events.lifecycle('storage-volume-backup-retrieved', urlOf(volume, backup.name), volume.project);
    return reply;
  });
};

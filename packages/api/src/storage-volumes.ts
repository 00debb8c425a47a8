import type * as z from 'zod';
import { choice, count, flag, integer, nullable, omittable, struct, text, textMap, texts, time } from './schema.ts';

/** The types a volume has in its URL; only custom volumes are made by hand. */
export const storageVolumeTypes = ['container', 'virtual-machine', 'image', 'custom'] as const;
export type StorageVolumeType = (typeof storageVolumeTypes)[number];

export const contentTypes = ['filesystem', 'block'] as const;
export type ContentType = (typeof contentTypes)[number];

/** Body of PUT and PATCH on a volume; `restore` names the snapshot to go back to. */
export const storageVolumePut = struct({ config: textMap, description: text, restore: omittable(text) });
export type StorageVolumePut = z.infer<typeof storageVolumePut>;

/** What a volume is made from. */
export const storageVolumeSource = struct({
  name: text,
  type: choice('', 'copy', 'migration'),
  pool: text,
  certificate: text,
  mode: choice('', 'pull', 'push'),
  operation: text,
  secrets: textMap,
  volume_only: flag,
  refresh: flag,
  project: text,
});
export type StorageVolumeSource = z.infer<typeof storageVolumeSource>;

/** An empty `content_type` stands for `filesystem`. */
export const storageVolumesPost = struct({
  ...storageVolumePut.shape,
  name: text,
  type: text,
  source: storageVolumeSource,
  content_type: text,
});
export type StorageVolumesPost = z.infer<typeof storageVolumesPost>;

export const storageVolumePostTarget = struct({ certificate: text, operation: text, secrets: textMap });
export type StorageVolumePostTarget = z.infer<typeof storageVolumePostTarget>;

/** A rename, a move or a migration (spec 09 MOD-07). */
export const storageVolumePost = struct({
  name: text,
  pool: text,
  migration: flag,
  target: nullable(storageVolumePostTarget),
  volume_only: flag,
  project: text,
});
export type StorageVolumePost = z.infer<typeof storageVolumePost>;

export const storageVolume = struct({
  ...storageVolumePut.shape,
  name: text,
  type: text,
  used_by: texts,
  location: text,
  content_type: text,
  project: text,
  created_at: time,
});
export type StorageVolume = z.infer<typeof storageVolume>;

/** `used` and `total` are bytes; `total` is 0 without a limit. */
export const storageVolumeStateUsage = struct({ used: count, total: integer });
export type StorageVolumeStateUsage = z.infer<typeof storageVolumeStateUsage>;

export const storageVolumeState = struct({ usage: nullable(storageVolumeStateUsage) });
export type StorageVolumeState = z.infer<typeof storageVolumeState>;

/** `expires_at` `null` takes the expiry of the volume's configuration; the zero time is never. */
export const storageVolumeSnapshotsPost = struct({ name: text, expires_at: nullable(time) });
export type StorageVolumeSnapshotsPost = z.infer<typeof storageVolumeSnapshotsPost>;

/** `expires_at` is `null` where the snapshot never expires. */
export const storageVolumeSnapshotPut = struct({ description: text, expires_at: nullable(time) });
export type StorageVolumeSnapshotPut = z.infer<typeof storageVolumeSnapshotPut>;

/** A rename or a migration. */
export const storageVolumeSnapshotPost = struct({
  name: text,
  migration: flag,
  target: nullable(storageVolumePostTarget),
});
export type StorageVolumeSnapshotPost = z.infer<typeof storageVolumeSnapshotPost>;

/** In a collection `name` is `<volume>/<snapshot>`. */
export const storageVolumeSnapshot = struct({
  ...storageVolumeSnapshotPut.shape,
  name: text,
  config: textMap,
  content_type: text,
  created_at: time,
});
export type StorageVolumeSnapshot = z.infer<typeof storageVolumeSnapshot>;

export const storagePoolVolumeBackupsPost = struct({
  name: text,
  expires_at: time,
  volume_only: flag,
  optimized_storage: flag,
  compression_algorithm: text,
});
export type StoragePoolVolumeBackupsPost = z.infer<typeof storagePoolVolumeBackupsPost>;

/** A rename. */
export const storagePoolVolumeBackupPost = struct({ name: text });
export type StoragePoolVolumeBackupPost = z.infer<typeof storagePoolVolumeBackupPost>;

export const storagePoolVolumeBackup = struct({
  name: text,
  created_at: time,
  expires_at: time,
  volume_only: flag,
  optimized_storage: flag,
});
export type StoragePoolVolumeBackup = z.infer<typeof storagePoolVolumeBackup>;

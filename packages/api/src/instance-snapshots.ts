import type * as z from 'zod';
import { deviceMap, flag, integer, nullable, struct, text, textMap, texts, time } from './schema.ts';

/** `expires_at` `null` takes the expiry of the instance's configuration; the zero time is never. */
export const instanceSnapshotsPost = struct({ name: text, stateful: flag, expires_at: nullable(time) });
export type InstanceSnapshotsPost = z.infer<typeof instanceSnapshotsPost>;

export const instanceSnapshotPut = struct({ expires_at: time });
export type InstanceSnapshotPut = z.infer<typeof instanceSnapshotPut>;

/** A rename or a migration. */
export const instanceSnapshotPost = struct({
  name: text,
  migration: flag,
  target: nullable(struct({ certificate: text, operation: text, secrets: textMap })),
  live: flag,
});
export type InstanceSnapshotPost = z.infer<typeof instanceSnapshotPost>;

/** `size` is in bytes, -1 where the storage cannot tell. */
export const instanceSnapshot = struct({
  ...instanceSnapshotPut.shape,
  architecture: text,
  config: textMap,
  created_at: time,
  devices: deviceMap,
  ephemeral: flag,
  expanded_config: textMap,
  expanded_devices: deviceMap,
  last_used_at: time,
  name: text,
  profiles: texts,
  stateful: flag,
  size: integer,
});
export type InstanceSnapshot = z.infer<typeof instanceSnapshot>;

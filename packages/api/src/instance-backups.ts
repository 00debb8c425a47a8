import type * as z from 'zod';
import { flag, struct, text, time } from './schema.ts';

export const instanceBackupsPost = struct({
  name: text,
  expires_at: time,
  instance_only: flag,
  container_only: flag,
  optimized_storage: flag,
  compression_algorithm: text,
});
export type InstanceBackupsPost = z.infer<typeof instanceBackupsPost>;

/** A rename. */
export const instanceBackupPost = struct({ name: text });
export type InstanceBackupPost = z.infer<typeof instanceBackupPost>;

export const instanceBackup = struct({
  name: text,
  created_at: time,
  expires_at: time,
  instance_only: flag,
  container_only: flag,
  optimized_storage: flag,
});
export type InstanceBackup = z.infer<typeof instanceBackup>;

import * as z from 'zod';
import { instanceBackup } from './instance-backups.ts';
import { instanceSnapshot } from './instance-snapshots.ts';
import { instanceState, instanceStatePut } from './instance-state.ts';
import { choice, deviceMap, flag, integer, nullable, omittable, struct, text, textMap, texts, time } from './schema.ts';

export * from './instance-backups.ts';
export * from './instance-exec.ts';
export * from './instance-snapshots.ts';
export * from './instance-state.ts';

export const instanceTypes = ['container', 'virtual-machine'] as const;
export type InstanceType = (typeof instanceTypes)[number];

/** Body of PUT and PATCH on an instance; with only `restore` it restores that snapshot (spec 09 MOD-08). */
export const instancePut = struct({
  architecture: text,
  config: textMap,
  devices: deviceMap,
  ephemeral: flag,
  profiles: texts,
  restore: omittable(text),
  stateful: flag,
  description: text,
});
export type InstancePut = z.infer<typeof instancePut>;

/** Body of PUT on `/1.0/instances`: a state change for all instances of the project (spec 09 EP-03). */
export const instancesPut = struct({ state: nullable(instanceStatePut) });
export type InstancesPut = z.infer<typeof instancesPut>;

/** What an instance is made from. */
export const instanceSource = struct({
  type: choice('', 'image', 'migration', 'copy', 'none'),
  certificate: text,
  alias: text,
  fingerprint: text,
  properties: textMap,
  server: text,
  secret: text,
  protocol: text,
  'base-image': text,
  mode: choice('', 'pull', 'push'),
  operation: text,
  secrets: textMap,
  source: text,
  live: flag,
  instance_only: flag,
  container_only: flag,
  refresh: flag,
  project: text,
  allow_inconsistent: flag,
});
export type InstanceSource = z.infer<typeof instanceSource>;

/** Body of `POST /1.0/instances`. `profiles` is `null` when absent, which asks for the default profile; `[]` for none. */
export const instancesPost = struct({
  ...instancePut.shape,
  profiles: nullable(texts),
  name: text,
  source: instanceSource,
  instance_type: text,
  type: choice('', ...instanceTypes),
});
export type InstancesPost = z.infer<typeof instancesPost>;

/** Where a migrating instance is pushed to. */
export const instancePostTarget = struct({ certificate: text, operation: text, secrets: textMap });
export type InstancePostTarget = z.infer<typeof instancePostTarget>;

/** Body of POST on an instance: a rename, a move or a migration (spec 09 MOD-06). */
export const instancePost = struct({
  name: text,
  migration: flag,
  live: flag,
  instance_only: flag,
  container_only: flag,
  target: nullable(instancePostTarget),
  pool: text,
  project: text,
  allow_inconsistent: flag,
});
export type InstancePost = z.infer<typeof instancePost>;

/** Body of `POST …/rebuild`. */
export const instanceRebuildPost = struct({ source: instanceSource });
export type InstanceRebuildPost = z.infer<typeof instanceRebuildPost>;

export const instance = struct({
  ...instancePut.shape,
  created_at: time,
  expanded_config: textMap,
  expanded_devices: deviceMap,
  name: text,
  status: text,
  status_code: integer,
  last_used_at: time,
  location: text,
  type: text,
  project: text,
});
export type Instance = z.infer<typeof instance>;

/** An instance with all that belongs to it, from `?recursion=2` on the collection or `?recursion=1` on one. */
export const instanceFull = struct({
  ...instance.shape,
  backups: nullable(z.array(instanceBackup)),
  state: nullable(instanceState),
  snapshots: nullable(z.array(instanceSnapshot)),
});
export type InstanceFull = z.infer<typeof instanceFull>;

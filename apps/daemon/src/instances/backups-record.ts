import type { Config } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { config, namesOrNone, parseIndexAs, time } from '../backups/index-file.ts';
import type { Pool } from '../storage/pool-store.ts';
import { volumeRecord } from '../storage/volume-backup-record.ts';
import type { StoredSnapshot, StoredVolume } from '../storage/volume-store.ts';
import type { Devices, Instance } from './instance.ts';
import { renderInstance } from './render.ts';
import type { Run } from './running.ts';
import type { renderSnapshot } from './snapshots-render.ts';

/** What a record is made of. */
export interface RecordParts {
  readonly instance: Instance;
  readonly run: Run | undefined;
  readonly snapshots: readonly ReturnType<typeof renderSnapshot>[];
  readonly profiles: readonly {
    readonly name: string;
    readonly description: string;
    readonly config: Config;
    readonly devices: Devices;
  }[];
  readonly pool: Pool;
  readonly volume: StoredVolume | undefined;
  readonly volumeSnapshots: readonly StoredSnapshot[];
}

/**
 * Without the key that a restored instance gets anew, since it has gone back in time; LXD before 5.1 takes no instance with it.
 */
export const portable = (config: Config): Config => {
  const { 'volatile.uuid.generation': _generation, ...rest } = config;
  return rest;
};

/** An instance or snapshot on the wire, as it is saved. */
const saved = <T extends { readonly config: Config; readonly expanded_config: Config }>(rendered: T): T => ({
  ...rendered,
  config: portable(rendered.config),
  expanded_config: portable(rendered.expanded_config),
});

/**
 * All that is known of an instance, as LXD keeps it in `backup.yaml` inside the volume and in `backup/index.yaml` of a backup: the
 * instance, its snapshots, the profiles it uses, its volume and the pool (spec 05.241, 10 REC-02).
 */
export const instanceRecord = ({ instance, run, snapshots, profiles, pool, volume, volumeSnapshots }: RecordParts) => ({
  container: saved(renderInstance(instance, run)),
  ...(snapshots.length > 0 ? { snapshots: snapshots.map(saved) } : {}),
  pool: {
    config: pool.config,
    description: pool.description,
    name: pool.name,
    driver: pool.driver,
    used_by: [],
    status: 'Created',
    locations: ['none'],
  },
  profiles: profiles.map(({ name, description, config, devices }) => ({
    config,
    description,
    devices,
    name,
    used_by: [],
  })),
  ...(volume ? volumeRecord(volume, volumeSnapshots) : {}),
});
export type InstanceRecord = ReturnType<typeof instanceRecord>;

/** The content of `backup/index.yaml`. */
export const backupIndex = (record: InstanceRecord, optimized: boolean) => ({
  name: record.container.name,
  backend: record.pool.driver,
  pool: record.pool.name,
  ...(record.snapshots ? { snapshots: record.snapshots.map(({ name }) => name) } : {}),
  optimized,
  // The streams of our drivers say themselves what is nested in them.
  optimized_header: false,
  type: record.container.type,
  config: record,
});

export const devices = z
  .record(z.string(), config)
  .nullish()
  .transform((value) => value ?? {});
const snapshotRecord = z.object({
  name: z.string(),
  config,
  devices,
  created_at: time,
  expires_at: time,
  stateful: z.boolean().default(false),
});

/** The instance and its snapshots in `backup.yaml` and in a backup's index. */
export const recordSchema = z.object({
  container: z.object({
    architecture: z.string(),
    config,
    devices,
    ephemeral: z.boolean().default(false),
    description: z.string().default(''),
    profiles: z
      .array(z.string())
      .nullish()
      .transform((value) => value ?? []),
    created_at: time,
  }),
  snapshots: z
    .array(snapshotRecord)
    .nullish()
    .transform((value) => value ?? []),
});

const indexSchema = z.object({
  name: z.string(),
  backend: z.string().default(''),
  pool: z.string().default(''),
  snapshots: namesOrNone,
  optimized: z.boolean().nullish(),
  optimized_header: z.boolean().nullish(),
  type: z.enum(['container', 'virtual-machine']).default('container'),
  config: recordSchema,
});
/** What a backup's index says. */
export type BackupIndex = z.infer<typeof indexSchema>;

/** Parses `backup/index.yaml`. @throws LxdError bad-request saying what is wrong with it */
export const parseIndex = (yaml: string): BackupIndex => parseIndexAs(yaml, indexSchema, 'an instance');

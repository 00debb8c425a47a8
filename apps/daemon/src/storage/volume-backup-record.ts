import { zeroTime } from '@lxd-ts/api';
import { z } from 'zod';
import { config, namesOrNone, parseIndexAs, time } from '../backups/index-file.ts';
import type { Pool } from './pool-store.ts';
import type { StoredSnapshot, StoredVolume } from './volume-store.ts';

/** What is known of a volume, as LXD keeps it in `backup.yaml` and in `backup/index.yaml`. */
export const volumeRecord = (volume: StoredVolume, snapshots: readonly StoredSnapshot[]) => ({
  volume: {
    config: volume.config,
    description: volume.description,
    name: volume.name,
    type: volume.type,
    used_by: [],
    location: 'none',
    content_type: volume.content,
    project: volume.project,
    created_at: volume.createdAt.toISOString(),
  },
  ...(snapshots.length > 0
    ? {
        volume_snapshots: snapshots.map((snapshot) => ({
          description: snapshot.description,
          expires_at: snapshot.expiresAt?.toISOString() ?? zeroTime,
          name: snapshot.name,
          config: snapshot.config,
          content_type: volume.content,
          created_at: snapshot.createdAt.toISOString(),
        })),
      }
    : {}),
});

/** The content of `backup/index.yaml` in the backup of a custom volume. */
export const volumeIndex = (
  pool: Pool,
  volume: StoredVolume,
  snapshots: readonly StoredSnapshot[],
  optimized: boolean,
) => ({
  name: volume.name,
  backend: pool.driver,
  pool: pool.name,
  ...(snapshots.length > 0 ? { snapshots: snapshots.map(({ name }) => name) } : {}),
  optimized,
  // The streams of our drivers say themselves what is nested in them.
  optimized_header: false,
  type: 'custom',
  config: volumeRecord(volume, snapshots),
});

const description = z.string().default('');

const schema = z.object({
  name: z.string(),
  backend: z.string().default(''),
  snapshots: namesOrNone,
  optimized: z
    .boolean()
    .nullish()
    .transform((value) => value === true),
  type: z.literal('custom'),
  config: z.object({
    volume: z.object({
      config,
      description,
      content_type: z.enum(['filesystem', 'block', 'iso']).default('filesystem'),
      created_at: time,
    }),
    volume_snapshots: z
      .array(z.object({ name: z.string(), config, description, created_at: time, expires_at: time }))
      .nullish()
      .transform((value) => value ?? []),
  }),
});
/** What the index of a volume's backup says. */
export type VolumeIndex = z.infer<typeof schema>;

/** Parses `backup/index.yaml`. @throws LxdError bad-request saying what is wrong with it */
export const parseVolumeIndex = (yaml: string): VolumeIndex => parseIndexAs(yaml, schema, 'a custom volume');

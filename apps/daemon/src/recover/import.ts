import { instanceUrl, storageBucketUrl, storagePoolUrl } from '@lxd-ts/api';
import type { Database } from '@lxd-ts/database';
import { badRequest, conflict, generateCredentials, messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import type { BucketRecords } from '../buckets/record.ts';
import { insertBucket, insertBucketKey } from '../buckets/store.ts';
import type { Events } from '../events/bus.ts';
import { inPool } from '../instances/backups-import.ts';
import { newIdentity } from '../instances/create.ts';
import type { Instance, ProfilePart } from '../instances/instance.ts';
import { insertInstanceSnapshot } from '../instances/snapshots-store.ts';
import { insertInstance } from '../instances/store.ts';
import type { Pools } from '../storage/pools.ts';
import type { RootVolumeService } from '../storage/root-volumes.ts';
import { volumeUrl } from '../storage/volume-name.ts';
import { insertVolumeSnapshot } from '../storage/volume-snapshot-store.ts';
import { insertVolume } from '../storage/volume-store.ts';
import {
  type Findings,
  type LostBucket,
  type LostInstance,
  type LostVolume,
  type RequestedPool,
  wordFor,
} from './findings.ts';

interface Parts {
  readonly global: Database;
  readonly scan: (requested: readonly RequestedPool[]) => Promise<Findings>;
  readonly pools: Pools;
  readonly bucketRecords: BucketRecords;
  readonly rootVolumes: Pick<RootVolumeService, 'writeBackupFile'>;
  readonly profileParts: (project: string, names: readonly string[]) => Promise<readonly ProfilePart[]>;
  /** Takes up instances that are running, and makes the addresses of their NICs known to networks. */
  readonly takeUp: (instance: Instance) => Promise<void>;
  readonly events: Events;
  readonly log: Logger;
}

/**
 * Records what a scan finds. What belongs together is recorded in one transaction, ready at once: a crash leaves volumes either
 * recorded or lost as before, and a second run does the rest. Nothing on disk is touched before it is recorded.
 */
export const createImport = (parts: Parts) => {
  const { global, events, log } = parts;

  const addVolume = async ({ pool, found }: LostVolume): Promise<void> => {
    const { project, name, type, content, config } = found.volume;
    await global.transaction(async (tx) => {
      const row = await insertVolume(tx, { pool, project, name, type, content, description: '', config }, 'ready');
      for (const snapshot of found.snapshots) {
        const copy = { name: snapshot, description: '', config, expiresAt: undefined };
        await insertVolumeSnapshot(tx, row.id, copy, 'ready');
      }
    });
    events.lifecycle('storage-volume-created', volumeUrl({ pool, project, name }), project, { type });
  };

  /** With its keys; one that nobody wrote down gets a key as a new bucket does, or nobody could use it. */
  const addBucket = async ({ pool, found, record }: LostBucket): Promise<void> => {
    const { project, name } = found.volume;
    const admin = { name: 'admin', description: 'Admin user', role: 'admin', ...generateCredentials() } as const;
    await global.transaction(async (tx) => {
      const { description = '', config = {} } = record ?? {};
      const row = await insertBucket(tx, { pool, project, name, description, config, local: true }, 'ready');
      for (const key of record?.keys ?? [admin]) await insertBucketKey(tx, row.id, key);
    });
    events.lifecycle('storage-bucket-created', storageBucketUrl(pool, name, { project }), project);
    await parts.bucketRecords.write({ pool, project, name });
  };

  const addInstance = async ({ pool, found, record }: LostInstance): Promise<void> => {
    const { container } = record;
    const { project, name, type, content } = found.volume;
    const profiles = await parts.profileParts(project, container.profiles);
    const volumeConfig = { ...found.volume.config, ...record.volume?.config };
    const instance = await global.transaction(async (tx) => {
      const volume = { pool, project, name, type, content, config: volumeConfig };
      const description = record.volume?.description ?? '';
      const createdAt = record.volume?.created_at ?? container.created_at ?? new Date();
      const volumeRow = await insertVolume(tx, { ...volume, description, createdAt }, 'ready');
      const row = await insertInstance(
        tx,
        {
          name,
          project,
          type: container.type,
          architecture: container.architecture,
          description: container.description,
          ephemeral: container.ephemeral,
          stateful: false,
          config: { ...newIdentity(), ...container.config },
          devices: inPool(container.devices, profiles, pool),
          profiles: container.profiles,
          ...(container.created_at ? { createdAt: container.created_at } : {}),
        },
        'ready',
      );
      for (const snapshot of record.snapshots) {
        const dates = { createdAt: snapshot.created_at ?? new Date(), expiresAt: snapshot.expires_at };
        const devices = inPool(snapshot.devices, profiles, pool);
        const { config, stateful } = snapshot;
        await insertInstanceSnapshot(
          tx,
          { instanceId: row.id, name: snapshot.name, stateful, config, devices, ...dates },
          'ready',
        );
        const saved = record.volume_snapshots.find((one) => one.name === snapshot.name);
        const stored = { config: saved?.config ?? volumeConfig, description: saved?.description ?? '' };
        await insertVolumeSnapshot(tx, volumeRow.id, { name: snapshot.name, ...stored, ...dates }, 'ready');
      }
      return row;
    });
    events.lifecycle('instance-created', instanceUrl(name), project, { type, 'storage-pool': pool });
    await parts.takeUp(instance);
    await parts.rootVolumes.writeBackupFile(instance);
  };

  /**
   * @throws LxdError bad-request when something is missing that has to be made first: nothing is recorded then; conflict that says
   *   what could not be recovered, after all that could be was
   */
  return async (requested: readonly RequestedPool[]): Promise<void> => {
    const { lost, newPools, missing, problems } = await parts.scan(requested);
    if (missing.length > 0) throw badRequest(`These must be created first: ${missing.join(', ')}`);
    for (const problem of problems) log.warn({ problem }, 'A volume cannot be recovered');
    const failed: string[] = [];
    for (const pool of newPools) {
      await parts.pools.adopt(pool);
      events.lifecycle('storage-pool-created', storagePoolUrl(pool.name));
    }
    for (const one of lost) {
      const { name, project } = one.found.volume;
      try {
        if (one.kind === 'volume') await addVolume(one);
        else if (one.kind === 'bucket') await addBucket(one);
        else await addInstance(one);
      } catch (error) {
        log.error({ err: error, pool: one.pool, volume: name }, 'Could not recover the volume');
        failed.push(
          `${wordFor(one.found)} "${name}" in project "${project}" on pool "${one.pool}": ${messageOf(error)}`,
        );
      }
    }
    if (failed.length > 0) throw conflict(`Not everything could be recovered: ${failed.join('; ')}`);
  };
};

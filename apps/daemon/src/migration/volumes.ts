/** Custom volumes that come from and go to other servers. */
import { checkName } from '@lxd-ts/api';
import { badRequest, type Config, type ContentType, conflict, type Work } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { config as configOf, time } from '../backups/index-file.ts';
import type { Locks } from '../core/locks.ts';
import type { Pools } from '../storage/pools.ts';
import { volumeRecord } from '../storage/volume-backup-record.ts';
import { unshiftVolume, withoutIdmap } from '../storage/volume-idmap.ts';
import { type VolumeName, volumeLock } from '../storage/volume-name.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from '../storage/volume-store.ts';
import type { CustomVolumes, LocatedVolume, VolumeContent } from '../storage/volumes.ts';
import type { Connection } from './connection.ts';
import { fillVolume } from './fill.ts';
import type { SentSnapshot } from './messages.ts';
import { type Arrival, receiveVolume } from './receive.ts';
import { sendVolume } from './send.ts';

/** A volume that another server sends. */
export interface ArrivingVolume extends VolumeContent {
  readonly name: VolumeName;
  readonly content: ContentType;
  /** Without snapshots. */
  readonly volumeOnly: boolean;
  /** Bring an existing copy up to date instead of making one. */
  readonly refresh: boolean;
}

/** Takes part in a migration whose connection stands. */
export type Play = (connection: Connection, work: Work) => Promise<void>;

/** Custom volumes between this server and others. */
export interface VolumeMigration {
  /**
   * Checks whether a volume can be sent.
   *
   * @param options.snapshot - the snapshot to send instead of the volume as it is
   * @returns what sends it
   * @throws LxdError not-found, bad-request
   */
  prepareSending(
    name: VolumeName,
    options: { readonly snapshot?: string; readonly volumeOnly: boolean },
  ): Promise<Play>;
  /**
   * Checks a request for a volume that another server sends.
   *
   * @returns what makes it, or brings it up to date; on failure nothing new is left
   * @throws LxdError bad-request, conflict
   */
  prepareReceiving(arriving: ArrivingVolume): Promise<Play>;
}

interface Parts {
  readonly pools: Pools;
  readonly volumes: CustomVolumes;
  readonly store: VolumeStore;
  readonly locks: Locks;
}

const sentSnapshot = ({ name, config, createdAt, expiresAt }: StoredSnapshot): SentSnapshot => ({
  name,
  config,
  createdAt,
  expiresAt,
  profiles: [],
  ephemeral: false,
  devices: {},
  architecture: '',
  stateful: false,
});

/** What the description says of snapshots, with the names of LXD's Go structures: its header tells their names alone. */
const indexSchema = z.object({
  config: z.object({
    VolumeSnapshots: z
      .array(
        z.object({
          name: z.string(),
          config: configOf,
          description: z.string().default(''),
          created_at: time,
          expires_at: time,
        }),
      )
      .nullish(),
  }),
});
type SnapshotRecord = NonNullable<z.infer<typeof indexSchema>['config']['VolumeSnapshots']>[number];

const recordsOf = (arrival: Arrival): readonly SnapshotRecord[] => {
  const text = arrival.index();
  if (text === undefined) return [];
  const index = indexSchema.safeParse(JSON.parse(text));
  if (!index.success) throw badRequest('The other server describes the volume in a way that is not known here');
  return index.data.config.VolumeSnapshots ?? [];
};

export const createVolumeMigration = ({ pools, volumes, store, locks }: Parts): VolumeMigration => {
  const refuseDisks = (content: ContentType): void => {
    if (content !== 'filesystem')
      throw badRequest(
        `Volumes with content type ${content} cannot be sent between servers here: export and import them`,
      );
  };

  const ready = async (row: StoredVolume): Promise<StoredSnapshot[]> =>
    (await store.snapshots(row.id)).filter(({ state }) => state === 'ready');

  /** Rows for snapshots that are about to come. */
  const insertRows = async (row: StoredVolume, sent: readonly SentSnapshot[]): Promise<StoredSnapshot[]> => {
    const rows: StoredSnapshot[] = [];
    for (const { name, config, createdAt, expiresAt } of sent)
      rows.push(
        await store.insertSnapshot(row.id, {
          name,
          description: '',
          config: withoutIdmap(config),
          createdAt,
          expiresAt,
        }),
      );
    return rows;
  };

  /** Makes snapshots that are there count, with what has become known of them meanwhile. */
  const finishRows = async (rows: readonly StoredSnapshot[], arrival: Arrival): Promise<void> => {
    const records = recordsOf(arrival);
    for (const { id, name, expiresAt } of rows) {
      const record = records.find((one) => one.name === name || one.name.endsWith(`/${name}`));
      await store.updateSnapshot(id, {
        description: record?.description ?? '',
        expiresAt: record?.expires_at ?? expiresAt,
      });
      await store.markSnapshotReady(id);
    }
  };

  const make = async (arriving: ArrivingVolume, sent: readonly SentSnapshot[], arrival: Arrival): Promise<void> => {
    const { name, content, description, config } = arriving;
    await volumes.add(name, {
      content,
      volume: { description, config: withoutIdmap(volumes.known(await pools.open(name.pool), config)) },
      async make(made) {
        const rows = await insertRows(made.row, sent);
        await fillVolume(made, sent, arrival, (path) => unshiftVolume(path, config, arrival));
        await finishRows(rows, arrival);
      },
    });
  };

  const refresh = async (
    { open, volume, row }: LocatedVolume,
    config: Config,
    sent: readonly SentSnapshot[],
    arrival: Arrival,
  ): Promise<void> => {
    const take = async (): Promise<void> => {
      await using mounted = await open.storage.mountVolume(volume);
      await arrival.receive(mounted.path);
      await unshiftVolume(mounted.path, config, arrival);
    };
    for (const snapshot of sent) {
      await take();
      const rows = await insertRows(row, [snapshot]);
      await open.storage.createSnapshot({ ...volume, snapshot: snapshot.name }, { signal: arrival.signal });
      await finishRows(rows, arrival);
    }
    await take();
  };

  return {
    async prepareSending(name, { snapshot, volumeOnly }) {
      const found = await volumes.get(name);
      refuseDisks(found.content);
      if (snapshot !== undefined && !(await ready(found)).some((one) => one.name === snapshot))
        throw badRequest(`Volume "${name.name}" has no snapshot "${snapshot}"`);
      return async (connection, work) => {
        using _lock = await locks.wait(volumeLock(name), 'migrate', work.signal);
        const { open, volume, row } = await volumes.locate(name);
        const snapshots = volumeOnly || snapshot !== undefined ? [] : await ready(row);
        const { volume: described, volume_snapshots } = volumeRecord(row, snapshots);
        await sendVolume(
          connection,
          {
            header: { idmap: [], snapshots: snapshots.map(sentSnapshot) },
            index: {
              config: {
                Container: null,
                Snapshots: null,
                Pool: null,
                Profiles: null,
                Volume: described,
                VolumeSnapshots: volume_snapshots ?? null,
              },
            },
            poolConfig: open.pool.config,
            allowInconsistent: false,
            mount: (saved) => {
              const wanted = saved ?? snapshot;
              return open.storage.mountVolume(wanted === undefined ? volume : { ...volume, snapshot: wanted });
            },
            whileStill: (send) => send(),
          },
          work,
        );
      };
    },

    async prepareReceiving(arriving) {
      const { name } = arriving;
      checkName('volume', name.name);
      refuseDisks(arriving.content);
      const existing = await store.find(name.pool, name.project, 'custom', name.name);
      if (existing && !arriving.refresh) throw conflict('Volume by that name already exists');
      if (existing) await volumes.refuseInUse(name, 'refreshed');
      return async (connection, work) => {
        using _lock = locks.hold(volumeLock(name), existing ? 'refresh' : 'create');
        await receiveVolume<void>(
          connection,
          {
            async choose({ snapshots: offered }) {
              for (const one of offered) checkName('volumeSnapshot', one.name);
              if (!existing) return { snapshots: offered, refresh: false };
              if (arriving.volumeOnly) return { snapshots: [], refresh: true };
              const own = await store.snapshots(existing.id);
              for (const one of own.toReversed())
                if (!offered.some((other) => other.name === one.name)) await volumes.discardSnapshot(name, one);
              return {
                snapshots: offered.filter((one) => !own.some((other) => other.name === one.name)),
                refresh: true,
              };
            },
            take: async (_header, chosen, arrival) =>
              existing
                ? refresh(await volumes.locate(name), arriving.config, chosen, arrival)
                : make(arriving, chosen, arrival),
          },
          work,
        );
      };
    },
  };
};

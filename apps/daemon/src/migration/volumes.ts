/** Custom volumes that come from and go to other servers. */
import { checkName } from '@lxd-ts/api';
import {
  badRequest,
  type Config,
  type ContentType,
  conflict,
  parseSize,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { config as configOf, time } from '../backups/index-file.ts';
import type { Locks } from '../core/locks.ts';
import { diskSize, snapshotIdsOf } from '../storage/copy-across.ts';
import type { Pools } from '../storage/pools.ts';
import { volumeRecord } from '../storage/volume-backup-record.ts';
import { isShifted, unshiftVolume, withoutIdmap } from '../storage/volume-idmap.ts';
import { type VolumeName, volumeLock } from '../storage/volume-name.ts';
import type { StoredSnapshot, StoredVolume, VolumeStore } from '../storage/volume-store.ts';
import type { CustomVolumes, LocatedVolume, VolumeContent } from '../storage/volumes.ts';
import type { Connection } from './connection.ts';
import { chooseFormat, fillVolume, receiveStates } from './fill.ts';
import type { MigrationHeader, SentSnapshot } from './messages.ts';
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
  const ready = async (row: StoredVolume): Promise<StoredSnapshot[]> =>
    (await store.snapshots(row.id)).filter(({ state }) => state === 'ready');

  /** The bytes of a volume's disk, if it is one. */
  const sizeOnDisk = async ({ open, volume }: LocatedVolume): Promise<number | undefined> => {
    await using mounted = await open.storage.mountVolume(volume);
    return mounted.disk === undefined ? undefined : diskSize(mounted.disk);
  };

  /** The larger of what the sender and the client say of a disk's size; 0: they say nothing. */
  const wantedSize = ({ diskSize: sent = 0 }: MigrationHeader, { size }: Config): number =>
    Math.max(sent, size ? parseSize(size) : 0);

  /** Rows for snapshots that are about to come. In a driver's own format they come as they are, with ids that may be shifted. */
  const insertRows = async (
    row: StoredVolume,
    sent: readonly SentSnapshot[],
    { format }: Arrival,
  ): Promise<StoredSnapshot[]> => {
    const rows: StoredSnapshot[] = [];
    for (const { name, config, createdAt, expiresAt } of sent)
      rows.push(
        await store.insertSnapshot(row.id, {
          name,
          description: '',
          config: format === undefined ? withoutIdmap(config) : config,
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

  const make = async (
    arriving: ArrivingVolume,
    header: MigrationHeader,
    sent: readonly SentSnapshot[],
    arrival: Arrival,
  ): Promise<void> => {
    const { name, content, description, config } = arriving;
    await volumes.add(name, {
      content,
      volume: { description, config: withoutIdmap(volumes.known(await pools.open(name.pool), config)) },
      async make(made) {
        const rows = await insertRows(made.row, sent, arrival);
        const { volume } = made;
        const size = `${wantedSize(header, config)}B`;
        const withRoom =
          content === 'filesystem' || size === '0B' ? volume : { ...volume, config: { ...volume.config, size } };
        await fillVolume({ ...made, volume: withRoom }, sent, arrival, (path, snapshot) =>
          unshiftVolume(path, snapshot?.config ?? config, arrival),
        );
        if (arrival.format !== undefined && isShifted(config)) await volumes.unshift(name, config);
        await finishRows(rows, arrival);
      },
    });
  };

  /** A disk whose source has grown grows too. @returns the volume as it is then */
  const grow = async (located: LocatedVolume, header: MigrationHeader, config: Config): Promise<Volume> => {
    const { open, volume, row } = located;
    const [now, wanted] = [await sizeOnDisk(located), wantedSize(header, config)];
    if (now === undefined || wanted <= now) return volume;
    await open.storage.resizeVolume(volume, wanted);
    const size = `${wanted}B`;
    await store.update(row.id, { description: row.description, config: { ...row.config, size } });
    return { ...volume, config: { ...volume.config, size } };
  };

  const refresh = async (
    located: LocatedVolume,
    config: Config,
    header: MigrationHeader,
    sent: readonly SentSnapshot[],
    arrival: Arrival,
  ): Promise<void> => {
    const { open, row } = located;
    await volumes.unshift(row, row.config);
    const volume = await grow(located, header, config);
    const own = arrival.format === undefined ? undefined : receiveStates({ open, volume }, arrival);
    const take = async (ids: Config): Promise<void> => {
      await using mounted = await open.storage.mountVolume(volume);
      await arrival.receive(mounted);
      await unshiftVolume(mounted.path, ids, arrival);
    };
    for (const snapshot of sent) {
      if (!own) await take(snapshot.config);
      const rows = await insertRows(row, [snapshot], arrival);
      if (own) await own(snapshot.name);
      else await open.storage.createSnapshot({ ...volume, snapshot: snapshot.name }, { signal: arrival.signal });
      await finishRows(rows, arrival);
    }
    await (own ? own(undefined) : take(config));
    if (own && isShifted(config)) await volumes.unshift(row, config);
  };

  return {
    async prepareSending(name, { snapshot, volumeOnly }) {
      const found = await volumes.get(name);
      if (snapshot !== undefined && !(await ready(found)).some((one) => one.name === snapshot))
        throw badRequest(`Volume "${name.name}" has no snapshot "${snapshot}"`);
      return async (connection, work) => {
        using lock = await locks.wait(volumeLock(name), 'migrate', work.signal);
        const located = await volumes.locate(name);
        const { open, volume, row } = located;
        const { driver, storage } = open;
        const state = (wanted: string | undefined): Volume =>
          wanted === undefined ? volume : { ...volume, snapshot: wanted };
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
            diskSize: row.content === 'filesystem' ? undefined : await sizeOnDisk(located),
            poolConfig: open.pool.config,
            allowInconsistent: false,
            mount: (saved) => storage.mountVolume(state(saved ?? snapshot)),
            ...(driver.features.optimizedTransfer && storage.send
              ? {
                  own: {
                    format: driver.name,
                    bases: snapshots.length > 0 ? await snapshotIdsOf(located) : {},
                    send: async (saved, base, to, sending) =>
                      storage.send?.(state(saved ?? snapshot), base, to, sending),
                  },
                }
              : {}),
            whileStill: (send) => send(),
            sent: () => lock[Symbol.dispose](),
          },
          work,
        );
      };
    },

    async prepareReceiving(arriving) {
      const { name } = arriving;
      checkName('volume', name.name);
      const existing = await store.find(name.pool, name.project, 'custom', name.name);
      if (existing && !arriving.refresh) throw conflict('Volume by that name already exists');
      if (existing && existing.content !== arriving.content)
        throw badRequest(
          `The volume has content type ${existing.content} and cannot become one of type ${arriving.content}`,
        );
      if (existing) await volumes.refuseInUse(name, 'refreshed');
      return async (connection, work) => {
        using lock = await locks.hold(volumeLock(name), existing ? 'refresh' : 'create');
        await receiveVolume<void>(
          connection,
          {
            disk: arriving.content !== 'filesystem',
            async choose(offer) {
              const { snapshots: offered } = offer;
              for (const one of offered) checkName('volumeSnapshot', one.name);
              if (!existing) {
                const how = await chooseFormat(await pools.open(name.pool), undefined, offer, offered);
                return { snapshots: offered, refresh: false, ...how };
              }
              if (arriving.volumeOnly) return { snapshots: [], refresh: true };
              const present = await store.snapshots(existing.id);
              // What an earlier try left unfinished goes, too.
              const kept = present.filter(
                (one) => one.state === 'ready' && offered.some((other) => other.name === one.name),
              );
              for (const one of present.toReversed()) if (!kept.includes(one)) await volumes.discardSnapshot(name, one);
              const wanted = offered.filter((one) => !kept.some((other) => other.name === one.name));
              const { open, volume } = await volumes.locate(name);
              const how = await chooseFormat(open, volume, offer, wanted);
              return { snapshots: wanted, refresh: true, ...how };
            },
            async take(header, chosen, arrival) {
              if (existing) await refresh(await volumes.locate(name), arriving.config, header, chosen, arrival);
              else await make(arriving, header, chosen, arrival);
              lock[Symbol.dispose]();
            },
          },
          work,
        );
      };
    },
  };
};

import {
  and,
  type DeviceTable,
  eq,
  inList,
  loadConfigs,
  loadDevices,
  type Reader,
  schema,
  type Transaction,
} from '@lxd-ts/database';
import { attaches } from '../core/used-by.ts';
import { ownerOf } from '../projects/features.ts';

const {
  instances,
  instancesDevices,
  instancesSnapshots,
  instancesSnapshotsDevices,
  profiles,
  profilesDevices,
  projects,
  projectsConfig,
} = schema;

/** Where a custom volume is. */
export interface VolumePlace {
  readonly pool: string;
  readonly project: string;
  readonly name: string;
}

/** The projects whose instances see the volumes of a project: those without volumes of their own see the default project's. */
const projectsSeeing = async (tx: Reader, project: string): Promise<number[]> => {
  const all = await tx.select({ id: projects.id, name: projects.name }).from(projects);
  const configs = await loadConfigs(
    tx,
    projectsConfig,
    all.map(({ id }) => id),
  );
  const volumesOf = ({ id, name }: { id: number; name: string }): string =>
    ownerOf({ name, config: configs.get(id) ?? {} }, 'features.storage.volumes');
  return all.filter((one) => volumesOf(one) === project).map(({ id }) => id);
};

const repoint = async (
  tx: Transaction,
  table: DeviceTable,
  owners: readonly { id: number }[],
  from: VolumePlace,
  to: VolumePlace,
): Promise<void> => {
  const devices = await loadDevices(
    tx,
    table,
    owners.map(({ id }) => id),
  );
  for (const [owner, own] of devices) {
    for (const [name, device] of Object.entries(own)) {
      if (!attaches(from)(device)) continue;
      for (const [key, value] of [
        ['pool', to.pool],
        ['source', to.name],
      ] as const) {
        await tx
          .update(table)
          .set({ value })
          .where(and(eq(table.ownerId, owner), eq(table.name, name), eq(table.key, key)));
      }
    }
  }
};

/** Points the devices of instances, their snapshots and profiles that attach a custom volume at where it has gone. */
export const repointDevices = async (tx: Transaction, from: VolumePlace, to: VolumePlace): Promise<void> => {
  const seeing = await projectsSeeing(tx, from.project);
  const own = await tx.select({ id: instances.id }).from(instances).where(inList(instances.projectId, seeing));
  const saved = await tx
    .select({ id: instancesSnapshots.id })
    .from(instancesSnapshots)
    .innerJoin(instances, eq(instances.id, instancesSnapshots.instanceId))
    .where(inList(instances.projectId, seeing));
  const shared = await tx.select({ id: profiles.id }).from(profiles).where(inList(profiles.projectId, seeing));
  await repoint(tx, instancesDevices, own, from, to);
  await repoint(tx, instancesSnapshotsDevices, saved, from, to);
  await repoint(tx, profilesDevices, shared, from, to);
};

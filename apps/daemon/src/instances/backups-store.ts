import { and, asc, type Database, eq, insertRow, lte, type Reader, schema } from '@lxd-ts/database';
import { conflict } from '@lxd-ts/driver-kit';

const { instancesBackups } = schema;

/** A backup that the server keeps of an instance, as it is stored. */
export interface Backup {
  readonly id: number;
  readonly instanceId: number;
  readonly name: string;
  readonly createdAt: Date;
  /** Unset: it is kept. */
  readonly expiresAt: Date | undefined;
  /** Without the snapshots. */
  readonly instanceOnly: boolean;
  /** In the storage driver's own format. */
  readonly optimized: boolean;
  /** `pending` while it is being made or deleted. */
  readonly state: 'pending' | 'ready';
}

export type NewBackup = Omit<Backup, 'id' | 'state'>;

export interface BackupStore {
  /** Backups of one instance, or of all in one go; oldest first. */
  list(instanceId?: number): Promise<readonly Backup[]>;
  /** Adds a backup in state `pending`. @throws LxdError conflict when the name is taken */
  insert(backup: NewBackup): Promise<Backup>;
  markReady(id: number): Promise<void>;
  /** Notes that it is going to be deleted. */
  markPending(id: number): Promise<void>;
  rename(id: number, name: string): Promise<void>;
  delete(id: number): Promise<void>;
  /** Ready backups whose time has come. */
  expired(now: Date): Promise<readonly Backup[]>;
}

const rowsIn = async (tx: Reader, ...conditions: Parameters<typeof and>): Promise<Backup[]> => {
  const rows = await tx
    .select()
    .from(instancesBackups)
    .where(and(...conditions))
    .orderBy(asc(instancesBackups.creationDate), asc(instancesBackups.id));
  return rows.map(({ creationDate, expiryDate, optimizedStorage, ...row }) => ({
    ...row,
    createdAt: creationDate,
    expiresAt: expiryDate ?? undefined,
    optimized: optimizedStorage,
  }));
};

export const createBackupStore = (database: Database): BackupStore => {
  const set = (id: number, change: Partial<typeof instancesBackups.$inferInsert>): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.update(instancesBackups).set(change).where(eq(instancesBackups.id, id));
    });

  return {
    list: (instanceId) =>
      database.read((tx) =>
        rowsIn(tx, instanceId === undefined ? undefined : eq(instancesBackups.instanceId, instanceId)),
      ),

    insert: (backup) =>
      database.transaction(async (tx) => {
        const { instanceId, name, createdAt, expiresAt, instanceOnly, optimized } = backup;
        const taken = await rowsIn(tx, eq(instancesBackups.instanceId, instanceId), eq(instancesBackups.name, name));
        if (taken.length > 0) throw conflict(`Backup "${name}" already exists`);
        const id = await insertRow(tx, instancesBackups, {
          instanceId,
          name,
          creationDate: createdAt,
          expiryDate: expiresAt ?? null,
          instanceOnly,
          optimizedStorage: optimized,
          state: 'pending',
        });
        return { ...backup, id, state: 'pending' };
      }),

    markReady: (id) => set(id, { state: 'ready' }),
    markPending: (id) => set(id, { state: 'pending' }),
    rename: (id, name) => set(id, { name }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(instancesBackups).where(eq(instancesBackups.id, id));
      }),

    expired: (now) =>
      database.read((tx) => rowsIn(tx, eq(instancesBackups.state, 'ready'), lte(instancesBackups.expiryDate, now))),
  };
};

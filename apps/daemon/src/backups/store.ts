import { and, asc, type BackupTable, type Database, eq, insertRow, lte, type Reader } from '@lxd-ts/database';
import { conflict } from '@lxd-ts/driver-kit';

/** A backup that the server keeps of an instance or a custom volume, as it is stored. */
export interface Backup {
  readonly id: number;
  /** The row of the instance or volume. */
  readonly ownerId: number;
  readonly name: string;
  readonly createdAt: Date;
  /** Unset: it is kept. */
  readonly expiresAt: Date | undefined;
  readonly withoutSnapshots: boolean;
  /** In the storage driver's own format. */
  readonly optimized: boolean;
  /** `pending` while it is being made or deleted. */
  readonly state: 'pending' | 'ready';
}

export type NewBackup = Omit<Backup, 'id' | 'state'>;

export interface BackupStore {
  /** Backups of one owner, or of all in one go; oldest first. */
  list(ownerId?: number): Promise<readonly Backup[]>;
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

const rowsIn = async (tx: Reader, table: BackupTable, ...conditions: Parameters<typeof and>): Promise<Backup[]> => {
  const rows = await tx
    .select()
    .from(table)
    .where(and(...conditions))
    .orderBy(asc(table.creationDate), asc(table.id));
  return rows.map(({ creationDate, expiryDate, optimizedStorage, ...row }) => ({
    ...row,
    createdAt: creationDate,
    expiresAt: expiryDate ?? undefined,
    optimized: optimizedStorage,
  }));
};

/** @param table - that of instances' or volumes' backups */
export const createBackupStore = (database: Database, table: BackupTable): BackupStore => {
  const set = (id: number, change: Partial<BackupTable['$inferInsert']>): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.update(table).set(change).where(eq(table.id, id));
    });

  return {
    list: (ownerId) =>
      database.read((tx) => rowsIn(tx, table, ownerId === undefined ? undefined : eq(table.ownerId, ownerId))),

    insert: (backup) =>
      database.transaction(async (tx) => {
        const { ownerId, name, createdAt, expiresAt, withoutSnapshots, optimized } = backup;
        const taken = await rowsIn(tx, table, eq(table.ownerId, ownerId), eq(table.name, name));
        if (taken.length > 0) throw conflict(`Backup "${name}" already exists`);
        const id = await insertRow(tx, table, {
          ownerId,
          name,
          creationDate: createdAt,
          expiryDate: expiresAt ?? null,
          withoutSnapshots,
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
        await tx.delete(table).where(eq(table.id, id));
      }),

    expired: (now) => database.read((tx) => rowsIn(tx, table, eq(table.state, 'ready'), lte(table.expiryDate, now))),
  };
};

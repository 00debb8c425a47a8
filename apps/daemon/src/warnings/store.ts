import { randomUUID } from 'node:crypto';
import { and, asc, type Database, eq, insertRow, schema, sql } from '@lxd-ts/database';
import { notFound } from '@lxd-ts/driver-kit';

const { warnings } = schema;

/** What can be warned of, in LXD's words; the number is what the database keeps. */
export const warningTypes = {
  1: "Couldn't find the CGroup blkio.weight",
  14: 'Failed to start the network',
  23: 'Unable to update storage pool',
  29: 'Storage pool unavailable',
  30: 'Unable to start instance',
} as const;
export type WarningCode = keyof typeof warningTypes;

export interface Warning {
  readonly uuid: string;
  readonly code: number;
  readonly severity: 'low' | 'moderate' | 'high';
  readonly status: 'new' | 'acknowledged' | 'resolved';
  readonly firstSeen: Date;
  readonly lastSeen: Date;
  readonly lastMessage: string;
  readonly count: number;
}

export interface WarningStore {
  list(): Promise<readonly Warning[]>;
  /** @throws LxdError not-found */
  get(uuid: string): Promise<Warning>;
  /** Counts a warning up, or adds it. A resolved one is new again. */
  raise(code: WarningCode, severity: Warning['severity'], message: string): Promise<void>;
  setStatus(uuid: string, status: Warning['status']): Promise<void>;
  delete(uuid: string): Promise<void>;
}

export const createWarningStore = (database: Database): WarningStore => {
  const list = (): Promise<readonly Warning[]> =>
    database.read(async (tx) => {
      const rows = await tx.select().from(warnings).orderBy(asc(warnings.id));
      return rows.map((row) => ({
        uuid: row.uuid,
        code: row.typeCode,
        severity: row.severity,
        status: row.status,
        firstSeen: row.firstSeenDate,
        lastSeen: row.lastSeenDate,
        lastMessage: row.lastMessage,
        count: row.count,
      }));
    });

  return {
    list,

    async get(uuid) {
      const warning = (await list()).find((one) => one.uuid === uuid);
      if (!warning) throw notFound('Warning not found');
      return warning;
    },

    raise: (code, severity, message) =>
      database.transaction(async (tx) => {
        const now = new Date();
        const same = and(eq(warnings.typeCode, code), eq(warnings.lastMessage, message));
        const [known] = await tx.select({ id: warnings.id }).from(warnings).where(same);
        if (known) {
          await tx
            .update(warnings)
            .set({
              count: sql`${warnings.count} + 1`,
              lastSeenDate: now,
              status: sql`CASE WHEN ${warnings.status} = 'resolved' THEN 'new' ELSE ${warnings.status} END`,
            })
            .where(eq(warnings.id, known.id));
          return;
        }
        await insertRow(tx, warnings, {
          uuid: randomUUID(),
          typeCode: code,
          severity,
          status: 'new',
          firstSeenDate: now,
          lastSeenDate: now,
          updatedDate: now,
          lastMessage: message,
        });
      }),

    setStatus: (uuid, status) =>
      database.transaction(async (tx) => {
        await tx.update(warnings).set({ status, updatedDate: new Date() }).where(eq(warnings.uuid, uuid));
      }),

    delete: (uuid) =>
      database.transaction(async (tx) => {
        await tx.delete(warnings).where(eq(warnings.uuid, uuid));
      }),
  };
};

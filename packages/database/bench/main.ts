/**
 * Measures the database on this machine: `pnpm bench`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import {
  createInitialRows,
  eq,
  insertRow,
  insertRows,
  loadConfigs,
  loadDevices,
  openDatabase,
  preparedQuery,
  replaceConfig,
  replaceDevices,
  schema,
} from '../src/index.ts';

const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'lxd-ts-database-bench-'));
const db = await openDatabase({ directory, kind: 'global' });

/** Prints how long one of `count` calls of `work` takes, in microseconds. */
const measure = async (name: string, count: number, work: (i: number) => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < Math.min(count, 200); i++) await work(i);
  const start = performance.now();
  for (let i = 0; i < count; i++) await work(i);
  const each = ((performance.now() - start) / count) * 1000;
  process.stdout.write(`${name.padEnd(62)} ${each.toFixed(1).padStart(10)} µs\n`);
};

const instance = (name: string) =>
  ({ nodeId: 1, projectId: 1, name, architecture: 'x86_64', type: 'container', creationDate: new Date() }) as const;
const config = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`volatile.key.${i}`, `value ${i}`]));
const devices = {
  root: { type: 'disk', path: '/', pool: 'default' },
  eth0: { type: 'nic', network: 'lxdbr0', name: 'eth0' },
};

try {
  await db.transaction((tx) => createInitialRows(tx, { name: 'bench', address: '0.0.0.0', architecture: 'x86_64' }));
  const ids = await db.transaction(async (tx) => {
    const made: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const id = await insertRow(tx, schema.instances, instance(`i${i}`));
      await replaceConfig(tx, schema.instancesConfig, id, config);
      await replaceDevices(tx, schema.instancesDevices, id, devices);
      made.push(id);
    }
    return made;
  });

  const { instances, instancesConfig, instancesDevices, warnings } = schema;
  await measure('one row by id, better-sqlite3 alone', 20_000, async (i) =>
    db.exclusive(async ({ get }) => get('select * from instances where id = ?', [ids[i % 1000]])),
  );
  await measure('an empty read', 20_000, () => db.read(async () => undefined));
  await measure('one row by id, a read of its own', 20_000, (i) =>
    db.read((tx) =>
      tx
        .select()
        .from(instances)
        .where(eq(instances.id, ids[i % 1000] ?? 0)),
    ),
  );
  await db.read((tx) =>
    measure('one row by id, within a read', 20_000, async (i) =>
      tx
        .select()
        .from(instances)
        .where(eq(instances.id, ids[i % 1000] ?? 0)),
    ),
  );
  const byId = preparedQuery(['id'], (tx, { id }) => tx.select().from(instances).where(eq(instances.id, id)));
  await measure('one row by id, a prepared query in a read of its own', 20_000, (i) =>
    db.read((tx) => byId(tx, { id: ids[i % 1000] ?? 0 })),
  );
  await db.read((tx) =>
    measure('one row by id, a prepared query within a read', 20_000, (i) => byId(tx, { id: ids[i % 1000] ?? 0 })),
  );
  await db.read((tx) =>
    measure('the configuration of one instance, within a read', 20_000, (i) =>
      loadConfigs(tx, instancesConfig, [ids[i % 1000] ?? 0]),
    ),
  );
  await measure('list 1000 instances with 12 keys and 2 devices each', 50, () =>
    db.read(async (tx) => {
      const rows = await tx.select().from(instances).where(eq(instances.projectId, 1));
      const found = rows.map(({ id }) => id);
      await loadConfigs(tx, instancesConfig, found);
      await loadDevices(tx, instancesDevices, found);
    }),
  );
  await measure('list 1000 instances, their own row only', 50, () =>
    db.read((tx) => tx.select().from(instances).where(eq(instances.projectId, 1))),
  );
  await measure('a transaction that updates one row', 2000, (i) =>
    db.transaction((tx) =>
      tx
        .update(instances)
        .set({ lastUseDate: new Date() })
        .where(eq(instances.id, ids[i % 1000] ?? 0)),
    ),
  );
  await measure('a transaction that makes an instance with its keys and devices', 1000, (i) =>
    db.transaction(async (tx) => {
      const id = await insertRow(tx, instances, instance(`new${i}-${performance.now()}`));
      await replaceConfig(tx, instancesConfig, id, config);
      await replaceDevices(tx, instancesDevices, id, devices);
    }),
  );
  const now = new Date();
  await measure('1000 rows in one transaction', 20, () =>
    db.transaction((tx) =>
      insertRows(
        tx,
        warnings,
        Array.from({ length: 1000 }, () => ({
          uuid: crypto.randomUUID(),
          typeCode: 1,
          severity: 'low' as const,
          status: 'new' as const,
          firstSeenDate: now,
          lastSeenDate: now,
          updatedDate: now,
          lastMessage: 'bench',
        })),
      ),
    ),
  );
} finally {
  await db.close();
  rmSync(directory, { recursive: true });
}

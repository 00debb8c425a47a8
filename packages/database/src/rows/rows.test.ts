import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { instanceRow, openGlobal } from '../../test/member.ts';
import { temporaryDirectory } from '../../test/temporary.ts';
import type { Database } from '../engine/database.ts';
import { inList, preparedCommand, preparedQuery, stored } from '../engine/prepared.ts';
import * as schema from '../schema/global.ts';
import { insertRow, insertRows } from './bulk.ts';
import { loadConfig, loadConfigs, loadServerConfig, patchConfig, patchServerConfig, replaceConfig } from './config.ts';
import { loadDevices, replaceDevices } from './devices.ts';
import { createInitialRows } from './initial.ts';

const { instances, instancesConfig, instancesDevices, instancesSnapshots, instancesSnapshotsConfig } = schema;

let directory: ReturnType<typeof temporaryDirectory>;
let db: Database;
beforeEach(async () => {
  directory = temporaryDirectory();
  db = await openGlobal(directory.path);
});
afterEach(async () => {
  await db.close();
  directory[Symbol.dispose]();
});

const add = (name: string) => db.transaction((tx) => insertRow(tx, instances, instanceRow(name)));
const config = (id: number) => db.read((tx) => loadConfig(tx, instancesConfig, id));

/** Any text but NUL, which SQLite and dqlite do not keep in text. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', '').toWellFormed());
const anyConfig = fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', "a'b", 'a"b', '')), text, { maxKeys: 300 });

describe('configuration', () => {
  it('comes back as it was stored, whatever its keys and values', async () => {
    const id = await add('a');
    await fc.assert(
      fc.asyncProperty(anyConfig, async (given) => {
        await db.transaction((tx) => replaceConfig(tx, instancesConfig, id, given));
        expect(Object.entries(await config(id)).sort()).toEqual(Object.entries(given).sort());
      }),
      { numRuns: 50 },
    );
  });

  it('keeps numbers, JSON and booleans as the text they were', async () => {
    const id = await add('a');
    const given = { a: '1', b: '1.50', c: 'true', d: '{"x":1}', e: '', f: '9007199254740993', g: 'null' };
    await db.transaction((tx) => replaceConfig(tx, instancesConfig, id, given));
    expect(await config(id)).toEqual(given);
  });

  it('is replaced as a whole, and patched by the key', async () => {
    const id = await add('a');
    const other = await add('b');
    await db.transaction(async (tx) => {
      await replaceConfig(tx, instancesConfig, id, { a: '1', b: '2' });
      await replaceConfig(tx, instancesConfig, other, { a: 'other' });
      await replaceConfig(tx, instancesConfig, id, { b: '3', c: '4', d: '5' });
    });
    expect(await config(id)).toEqual({ b: '3', c: '4', d: '5' });
    await db.transaction((tx) => patchConfig(tx, instancesConfig, id, { b: null, c: '6', e: '7', unknown: null }));
    expect(await config(id)).toEqual({ c: '6', d: '5', e: '7' });
    expect(await config(other)).toEqual({ a: 'other' });
  });

  it('of thousands of owners comes in one query, empty ones too', async () => {
    const count = 3000;
    await db.transaction(async (tx) => {
      await insertRows(
        tx,
        instances,
        Array.from({ length: count }, (_, i) => instanceRow(`i${i}`)),
      );
      for (let id = 2; id <= count; id++) await replaceConfig(tx, instancesConfig, id, { id: String(id) });
    });
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    const configs = await db.read((tx) => loadConfigs(tx, instancesConfig, ids));
    expect(configs.size).toBe(count);
    expect(configs.get(1)).toEqual({});
    for (const id of ids.slice(1)) expect(configs.get(id)).toEqual({ id: String(id) });
  });

  it('of the server is patched by the key', async () => {
    await db.transaction((tx) => patchServerConfig(tx, schema.config, { a: '1', b: '2' }));
    await db.transaction((tx) => patchServerConfig(tx, schema.config, { a: null, b: '3', c: '4' }));
    expect(await db.read((tx) => loadServerConfig(tx, schema.config))).toEqual({ b: '3', c: '4' });
  });
});

describe('devices', () => {
  it('come back as they were stored, whatever their names and keys', async () => {
    const id = await add('a');
    const other = await add('b');
    const anyDevices = fc.dictionary(
      fc.oneof(text, fc.constant('__proto__')),
      fc.dictionary(text, text, { minKeys: 1, maxKeys: 10 }),
      { maxKeys: 20 },
    );
    await fc.assert(
      fc.asyncProperty(anyDevices, async (given) => {
        await db.transaction((tx) => replaceDevices(tx, instancesDevices, id, given));
        const devices = await db.read((tx) => loadDevices(tx, instancesDevices, [other, id]));
        expect(devices.get(other)).toEqual({});
        const sorted = (all: object) =>
          Object.entries(all)
            .map(([name, keys]) => [name, Object.entries(keys).sort()])
            .sort();
        expect(sorted(devices.get(id) ?? {})).toEqual(sorted(given));
      }),
      { numRuns: 50 },
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('an instance that is deleted', () => {
  it('takes its configuration, devices and snapshots with it', async () => {
    const id = await add('a');
    await db.transaction(async (tx) => {
      await replaceConfig(tx, instancesConfig, id, { a: '1' });
      await replaceDevices(tx, instancesDevices, id, { root: { type: 'disk' } });
      const snapshot = await insertRow(tx, instancesSnapshots, {
        instanceId: id,
        name: 'snap0',
        creationDate: new Date(),
      });
      await replaceConfig(tx, instancesSnapshotsConfig, snapshot, { a: '1' });
      await tx.delete(instances).where(eq(instances.id, id));
    });
    for (const table of [instancesConfig, instancesDevices, instancesSnapshots, instancesSnapshotsConfig]) {
      expect(await db.read((tx) => tx.$count(table))).toBe(0);
    }
    expect(await add('a')).not.toBe(id);
  });
});

describe('rows', () => {
  it('keep dates to the millisecond, and yes and no', async () => {
    const id = await add('a');
    const [row] = await db.read((tx) => tx.select().from(instances).where(eq(instances.id, id)));
    expect(row).toMatchObject({
      creationDate: new Date(1_700_000_000_123),
      lastUseDate: null,
      ephemeral: false,
      state: 'ready',
    });
  });
});

describe('prepared queries and commands', () => {
  it('give the same as built ones, on every connection, with dates, lists and nulls', async () => {
    const id = await add('a');
    await add('b');
    const use = preparedCommand(['id', 'date'], (tx, { id, date }) =>
      tx
        .update(instances)
        .set({ lastUseDate: stored(instances.lastUseDate, date) })
        .where(eq(instances.id, id)),
    );
    const used = preparedQuery(['names'], (tx, { names }) =>
      tx.select().from(instances).where(inList(instances.name, names)),
    );
    const when = new Date(1_800_000_000_001);
    expect(await db.transaction((tx) => use(tx, { id, date: when }))).toMatchObject({ changes: 1 });
    const reads = Array.from({ length: 10 }, () => db.read((tx) => used(tx, { names: ['a', 'c'] })));
    for (const rows of await Promise.all(reads)) expect(rows).toMatchObject([{ name: 'a', lastUseDate: when }]);
    expect(await db.transaction((tx) => used(tx, { names: [] }))).toEqual([]);
    await db.transaction((tx) => use(tx, { id, date: null }));
    expect(await db.read((tx) => used(tx, { names: ['a'] }))).toMatchObject([{ lastUseDate: null }]);
    expect(await db.read((tx) => tx.$count(instances, inList(instances.id, [1, 2, 3])))).toBe(2);
  });

  it('refuse a transaction that is over', async () => {
    const all = preparedQuery([], (tx) => tx.select().from(instances));
    const late = await db.read(async (tx) => ({ tx }));
    await expect(all(late.tx, {})).rejects.toThrow(/too late/);
  });
});

describe('the first rows', () => {
  it('are this member, the default project, profile and cluster group; made once', async () => {
    await db.transaction((tx) => createInitialRows(tx, { name: 'other', address: 'x', architecture: 'y' }));
    const rows = await db.read(async (tx) => ({
      nodes: await tx.select().from(schema.nodes),
      projects: await tx.select().from(schema.projects),
      features: await loadConfig(tx, schema.projectsConfig, 1),
      profiles: await tx.select().from(schema.profiles),
      groups: await tx.select().from(schema.nodesClusterGroups),
    }));
    expect(rows).toMatchObject({
      nodes: [{ id: 1, name: 'm1', address: '0.0.0.0', architecture: 'x86_64' }],
      projects: [{ name: 'default', description: 'Default LXD project' }],
      profiles: [{ projectId: 1, name: 'default', description: 'Default LXD profile' }],
      groups: [{ nodeId: 1, groupId: 1 }],
    });
    expect(rows.features).toMatchObject({ 'features.images': 'true', 'features.profiles': 'true' });
  });
});

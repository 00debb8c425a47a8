import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConfigKey, poolConfigKeys, type StorageDriver } from '@lxd-ts/driver-kit';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { drivers } from './drivers.ts';
import { tables } from './matrix.ts';
import { pagePath, renewPage } from './page.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('the page says what the drivers declare: after a change, `pnpm docs:storage` writes it anew', () => {
  const page = read(pagePath);
  expect(renewPage(page, drivers)).toBe(page);
});

test('the links of the page lead somewhere', () => {
  const links = [...read(pagePath).matchAll(/\]\((?!http|#)([^)#]+)/g)].map(([, link = '']) => link);
  expect(links.filter((link) => !existsSync(join(root, 'docs', link)))).toEqual([]);
});

test.each(tables.flatMap(({ rows }) => rows))('the tests that prove "$name" are there', ({ proofs }) => {
  expect(proofs.length).toBeGreaterThan(0);
  for (const { file, title } of proofs) expect(read(file), file).toContain(title);
});

/** The tables of the specification by the names of their rows; marks and remarks are not part of an answer. */
const documented = (): Map<string, readonly string[]> => {
  const rows = read('docs/spec/05-storage.md')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.replace(/`\[i\]`|\((large file|file system on RBD)\)/g, '').trim()));
  return new Map(rows.map(([name = '', ...cells]) => [name, cells]));
};

test('[05.158] the drivers are those of the specification, and their records say what its matrix says', () => {
  const spec = documented();
  expect(spec.get('Feature')).toEqual(drivers.map(({ name }) => name));
  for (const { name, cell } of tables.flatMap(({ rows }) => rows)) {
    const cells = spec.get(name);
    // The specification has no row for ISO volumes, and puts the drivers of Ceph in one column where the data is.
    if (cells === undefined) expect(name).toBe('Custom ISO volumes');
    else if (cells.length === drivers.length) expect(drivers.map(cell), name).toEqual(cells);
    else expect(drivers.map(cell), name).toEqual([...cells, ...Array.from({ length: 2 }, () => cells.at(-1))]);
  }
});

const documentedKey = z.object({
  key: z.string(),
  type: z.string(),
  default: z.union([z.string(), z.boolean(), z.null()]),
});
const documentedKeys = z.record(
  z.string(),
  z.object({ pool: z.array(documentedKey), volume: z.array(documentedKey), bucket: z.array(documentedKey) }),
);

/** `inherit(volume.X) | Y` is Y where the pool says nothing; what is worked out when it is needed has a text of its own. */
const plainDefault = (value: string | boolean | null): string | undefined => {
  if (value === null) return undefined;
  const text = String(value).replace(/^inherit\([^)]*\)( \| )?/, '');
  return text === '' ? undefined : text;
};

const isBoolean = ({ type, values }: ConfigKey): boolean => type === 'bool' || values?.includes('true') === true;

test.each(drivers)('[05.23] the keys of $name, with their defaults, are those of the specification', (driver) => {
  const spec = documentedKeys.parse(parse(read('docs/spec/config/storage.yaml')))[driver.name];
  const declared: Record<'pool' | 'volume' | 'bucket', readonly ConfigKey[]> = {
    pool: poolConfigKeys(driver),
    volume: driver.volumeConfig,
    bucket: driver.bucketConfig ?? [],
  };
  for (const part of ['pool', 'volume', 'bucket'] as const) {
    for (const { key, type, default: value } of (spec?.[part] ?? []).filter((one) => one.key !== 'volume.*')) {
      const found = declared[part].find((one) => one.key === key);
      expect(found, `${part} key ${key}`).toBeDefined();
      if (!found) continue;
      if (type === 'bool') expect(isBoolean(found), key).toBe(true);
      const worked = /^(auto|pool name)/;
      const expected = plainDefault(value);
      if (expected !== undefined && !worked.test(expected)) expect(found.default, key).toBe(expected);
    }
  }
});

test('[05.274 05.279 05.280] what the documentation says in two ways: the names of the tables hold', () => {
  const zfs = drivers.find(({ name }) => name === 'zfs');
  if (!zfs) throw new Error('There is no driver zfs');
  const names = zfs.volumeConfig.map(({ key }) => key);
  expect(names).toEqual(expect.arrayContaining(['zfs.remove_snapshots', 'zfs.use_refquota', 'zfs.reserve_space']));
  expect(names).not.toContain('zfs.use_reserve_space');
  expect(poolConfigKeys(zfs).map(({ key }) => key)).toContain('volume.snapshots.schedule');
});

const general = /^(source|source\.wipe|size|rsync\.[a-z]+|volatile\..*)$/;
const strangers = ({ name, poolConfig }: StorageDriver): string[] =>
  poolConfig.map(({ key }) => key).filter((key) => !general.test(key) && !key.startsWith(`${name}.`));

test('[05.23] keys of a driver begin with its name, general ones do not; members have their own of a few only', () => {
  expect(drivers.flatMap(strangers)).toEqual([]);
  const local = new Set(
    drivers.flatMap(({ poolConfig }) => poolConfig.filter(({ scope }) => scope === 'local').map(({ key }) => key)),
  );
  expect([...local].sort()).toEqual(['lvm.thinpool_name', 'lvm.vg_name', 'size', 'source', 'zfs.pool_name']);
});

import { chownSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contiguousIdMap, type IdMap } from '@lxd-ts/host';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { alignIds, type IdState, unshiftIds } from './ids-on-disk.ts';

let tree: string;
const names = ['a', 'b', 'c'];
const [first, second] = [contiguousIdMap(1_000_000, 65_536), contiguousIdMap(2_000_000, 65_536)];

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'ids-'));
  mkdirSync(join(tree, 'd'));
  for (const name of names) writeFileSync(join(tree, name), '');
});
afterEach(() => rmSync(tree, { recursive: true }));

const own = (...owners: number[]): void => {
  for (const [at, name] of names.entries()) chownSync(join(tree, name), owners[at] ?? 0, owners[at] ?? 0);
};
const owners = (): number[] => names.map((name) => lstatSync(join(tree, name)).uid);

test('every step is remembered, before the first change and after the last', async () => {
  own(0, 5, 1000);
  const states: [IdState, number[]][] = [];
  const remember = async (state: IdState): Promise<void> => {
    states.push([state, owners()]);
  };
  await alignIds(tree, { current: [], unfinished: undefined }, first, remember);
  await alignIds(tree, { current: first, unfinished: undefined }, second, remember);
  const shifted = (base: number): number[] => [base, base + 5, base + 1000];
  expect(states).toEqual([
    [{ current: [], unfinished: first }, [0, 5, 1000]],
    [{ current: first, unfinished: undefined }, shifted(1_000_000)],
    [{ current: first, unfinished: second }, shifted(1_000_000)],
    [{ current: second, unfinished: undefined }, shifted(2_000_000)],
  ]);
});

test.each<[string, IdMap, number]>([
  ['the same ids', first, 1_000_000],
  ['other ids', second, 2_000_000],
  ['those seen inside', [], 0],
])('what was cut short on the way to some ids is brought to its end, though %s are wanted', async (_, wanted, base) => {
  own(1_000_000, 1_000_005, 1000);
  let last: IdState | undefined;
  await alignIds(tree, { current: [], unfinished: first }, wanted, async (state) => {
    last = state;
  });
  expect(owners()).toEqual([base, base + 5, base + 1000]);
  expect(last).toEqual({ current: wanted, unfinished: undefined });
});

test.each<[IdState, number[]]>([
  [{ current: [], unfinished: first }, [1_000_000, 5, 1000]],
  [{ current: first, unfinished: second }, [2_000_000, 2_000_005, 1_001_000]],
  [{ current: first, unfinished: [] }, [0, 5, 1_001_000]],
])('the ids seen inside come back from wherever a shifting was cut short', async (state, before) => {
  own(...before);
  await unshiftIds(tree, state);
  expect(owners()).toEqual([0, 5, 1000]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { PoolSpec, StoragePool, Volume } from '../../storage/contract.ts';
import { discard, inSnapshot, mounted } from './helpers.ts';
import type { Suite } from './suite.ts';

/** Works on a volume and copies of it, round and round, until it is killed. */
const program = ({ specifier, name }: { specifier: string; name: string }): string => `
const { ${name}: driver } = await import(${JSON.stringify(specifier)});
const [spec, volume, copy] = JSON.parse(process.argv[1]);
const pool = await driver.open(spec);
process.stdout.write('ready');
for (;;) {
  if (driver.features.restoreAnySnapshot) await pool.restoreVolume(volume, 's0');
  await pool.restoreVolume(volume, 's1');
  await pool.copyVolume(copy, volume, ['s0', 's1']);
  await pool.createSnapshot({ ...copy, snapshot: 's2' });
  for (const snapshot of ['s0', 's1', 's2']) await pool.deleteSnapshot({ ...copy, snapshot });
  await pool.deleteVolume(copy);
}
`;

const workUntilKilled = async (
  from: NonNullable<Suite['importFrom']>,
  spec: PoolSpec,
  volumes: readonly Volume[],
  after: number,
): Promise<void> => {
  const args = ['--input-type=module', '--eval', program(from), JSON.stringify([spec, ...volumes])];
  const child = spawn(process.execPath, [...(from.nodeOptions ?? []), ...args], {
    cwd: from.directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), gone]);
  await setTimeout(after);
  expect(child.exitCode, 'the program works until it is killed').toBeNull();
  child.kill('SIGKILL');
  await gone;
};

const fileCount = 40;

/** Makes every file of the volume say the same. */
const setState = (pool: StoragePool, volume: Volume, state: string): Promise<void> =>
  mounted(pool, volume, async (path) => {
    for (let at = 0; at < fileCount; at++) {
      await mkdir(join(path, `d${at % 4}`), { recursive: true });
      await writeFile(join(path, `d${at % 4}/f${at}`), state);
    }
  });

/** What the files of a volume say: one text when it is whole, and nothing is missing. */
const stateOf = (pool: StoragePool, volume: Volume): Promise<string[]> =>
  mounted(pool, volume, async (path) => {
    const names = (await readdir(path, { recursive: true })).filter((name) => name.includes('/f'));
    expect(names).toHaveLength(fileCount);
    return [...new Set(await Promise.all(names.map((name) => readFile(join(path, name), 'utf8'))))];
  });

/** What is left when the process is killed at any moment. */
export const crashTests = ({ driver, pool, spec, newVolume, reopen, importFrom }: Suite): void => {
  it.runIf(importFrom !== undefined)(
    'after kill -9 in the middle volumes are as before or as after, and what was half done is cleared',
    async () => {
      if (!importFrom) return;
      const [volume, copy] = [newVolume(), newVolume()];
      await pool().createVolume(volume);
      for (const [snapshot, state] of [
        ['s0', 'one'],
        ['s1', 'two'],
      ] as const) {
        await setState(pool(), volume, state);
        await pool().createSnapshot(inSnapshot(volume, snapshot));
      }
      for (let round = 0; round < 8; round++) {
        await workUntilKilled(importFrom, spec(), [volume, copy], round * 9);
        await reopen();
        expect([['one'], ['two']]).toContainEqual(await stateOf(pool(), volume));
        expect(await stateOf(pool(), inSnapshot(volume, 's0'))).toEqual(['one']);
        expect(await stateOf(pool(), inSnapshot(volume, 's1'))).toEqual(['two']);
        await discard(pool(), copy, 's0', 's1', 's2');
        expect(await pool().hasVolume(copy)).toBe(false);
        const toFirst = round % 2 === 0 && driver.features.restoreAnySnapshot;
        await pool().restoreVolume(volume, toFirst ? 's0' : 's1');
        expect(await stateOf(pool(), volume)).toEqual([toFirst ? 'one' : 'two']);
      }
      await discard(pool(), volume, 's0', 's1');
    },
  );
};

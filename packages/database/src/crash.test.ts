import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openGlobal } from '../test/member.ts';
import { temporaryDirectory } from '../test/temporary.ts';
import { asc, loadConfigs, loadServerConfig, schema } from './index.ts';

const writer = fileURLToPath(new URL('../test/crash-writer.ts', import.meta.url));

/**
 * Runs the writer and kills it with SIGKILL.
 *
 * @param kill - `starting`: at a random moment from its start on; `writing`: when it has acknowledged something
 * @returns the numbers of the transactions it acknowledged
 */
const killedWriter = async (directory: string, kill: 'starting' | 'writing'): Promise<number[]> => {
  const child = spawn(process.execPath, ['--conditions=lxd-ts-source', writer, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  let printed = '';
  const writing = new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      printed += data.toString();
      resolve();
    });
  });
  if (kill === 'writing') await Promise.race([writing, ended]);
  await sleep(Math.random() * (kill === 'writing' ? 30 : 300));
  child.kill('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
  // A line is written in one piece, so the last one is whole too.
  return printed.split('\n').filter(Boolean).map(Number);
};

/** Checks that every transaction is there as a whole or not at all, and all acknowledged ones are. */
const check = async (directory: string, acknowledged: readonly number[]): Promise<void> => {
  await using db = await openGlobal(directory);
  expect(await db.exclusive(async ({ raw }) => raw.pragma('integrity_check', { simple: true }))).toBe('ok');
  expect(await db.exclusive(async ({ raw }) => raw.pragma('foreign_key_check'))).toEqual([]);
  const { rows, configs, last } = await db.read(async (tx) => {
    const { id, name } = schema.instances;
    const rows = await tx.select({ id, name }).from(schema.instances).orderBy(asc(id));
    const configs = await loadConfigs(
      tx,
      schema.instancesConfig,
      rows.map(({ id }) => id),
    );
    const { last } = await loadServerConfig(tx, schema.config);
    return { rows, configs, last: Number(last ?? 0) };
  });
  expect(last).toBeGreaterThanOrEqual(acknowledged.at(-1) ?? 0);
  // Numbers follow on, so that with `last` all names are known.
  const names = Array.from({ length: last }, (_, i) => [`${i + 1}-a`, `${i + 1}-b`]).flat();
  expect(rows.map(({ name }) => name)).toEqual(names);
  for (const { id, name } of rows) expect(configs.get(id)?.n).toBe(name.split('-')[0]);
};

describe('a process killed with SIGKILL', () => {
  it('loses no acknowledged transaction and leaves none half done, in 60 kills', async () => {
    using directory = temporaryDirectory();
    const acknowledged: number[] = [];
    for (let round = 0; round < 60; round++) {
      acknowledged.push(...(await killedWriter(directory.path, round % 3 === 0 ? 'starting' : 'writing')));
      if (round % 5 === 4) await check(directory.path, acknowledged);
    }
    await check(directory.path, acknowledged);
    expect(acknowledged.length).toBeGreaterThan(60);
    expect(acknowledged).toEqual([...new Set(acknowledged)].sort((a, b) => a - b));
  }, 180_000);

  it('while it makes a new database, leaves one that the next start completes', async () => {
    for (let round = 0; round < 10; round++) {
      using directory = temporaryDirectory();
      await check(directory.path, await killedWriter(directory.path, 'starting'));
    }
  });
});

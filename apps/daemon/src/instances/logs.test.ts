import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkLogName, checkOutputName, deleteLog, expireLogs, listLogs, moveLogs } from './logs.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'logs-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const hours = (count: number): Date => new Date(Date.now() - count * 3_600_000);
const make = (file: string, modified: Date): void => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), '');
  utimesSync(join(root, file), modified, modified);
};

test('shows the logs of drivers, snapshots and migrations, and nothing else', async () => {
  for (const name of ['lxc.log', 'lxc.conf', 'console.log', 'forkexec.log', 'snapshot_a.log', 'exec-output/x'])
    make(`c1/${name}`, new Date());
  expect(await listLogs(join(root, 'c1'))).toEqual(['lxc.conf', 'lxc.log', 'snapshot_a.log']);
  expect(await listLogs(join(root, 'none'))).toEqual([]);
  for (const name of ['../lxc.log', 'snapshot_/../../x', 'console.log', '', 'lxc.log\0'])
    expect(() => checkLogName(name)).toThrow(`log file name ${name} not valid`);
  expect(() => checkOutputName('exec_../../x.stdout')).toThrow('not valid');
  await expect(deleteLog(join(root, 'c1'), 'lxc.log')).rejects.toThrow('lxc.log and lxc.conf may not be deleted');
  await deleteLog(join(root, 'c1'), 'snapshot_a.log');
  await expect(deleteLog(join(root, 'c1'), 'snapshot_a.log')).rejects.toMatchObject({ kind: 'not-found' });
});

test('[09.EXE-03] recorded output goes after 48 hours, logs of instances there are stay', async () => {
  for (const file of [
    'c1/lxc.log',
    'c1/console.log',
    'c1/exec-output/old',
    'c1/snapshot_a.log',
    'gone/lxc.log',
    'both/old',
  ])
    make(file, hours(49));
  for (const file of ['c1/exec-output/new', 'both/new']) make(file, hours(47));
  await expireLogs(root, new Set(['c1']));
  const left = (...files: string[]): boolean[] => files.map((file) => existsSync(join(root, file)));
  expect(left('c1/lxc.log', 'c1/console.log', 'c1/exec-output/new', 'both/new')).toEqual([true, true, true, true]);
  expect(left('c1/exec-output/old', 'c1/snapshot_a.log', 'gone', 'both/old')).toEqual([false, false, false, false]);
});

test('the logs of an instance that is renamed go along, over what is left of another', async () => {
  const [from, to] = [join(root, 'old'), join(root, 'new')];
  await moveLogs(from, to);
  expect(existsSync(to)).toBe(false);
  for (const file of ['old/lxc.log', 'new/snapshot_a.log']) make(file, new Date());
  await moveLogs(from, to);
  expect(existsSync(from)).toBe(false);
  expect(await listLogs(to)).toEqual(['lxc.log']);
  // Done before: what is there stays.
  await moveLogs(from, to);
  expect(await listLogs(to)).toEqual(['lxc.log']);
  make('file', new Date());
  make('third/lxc.log', new Date());
  await expect(moveLogs(join(root, 'third'), join(root, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

/** `lxd shutdown`, as the host's service manager calls it before the host goes down. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, startWithPools } from '../support/pools.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

/** What is mounted of the server's storage pools, in its mount namespace. */
const mounted = (): string[] =>
  readFileSync(`/proc/${lxd.namespace.pid}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${lxd.folder}/storage-pools/`));

test('[03.51 03.196] it stops the instances and unmounts the pools, and the next start brings all of it back', async () => {
  await debianLxc(lxd, 'launch', 'busybox', 'c1', '--storage', 'tree');
  await debianLxc(lxd, 'exec', 'c1', '--', 'sh', '-c', 'echo here > /root/state');
  await debianLxc(lxd, 'storage', 'volume', 'create', 'tree2', 'backups');
  await debianLxc(lxd, 'config', 'set', 'storage.backups_volume', 'tree2/backups');
  expect(mounted()).not.toEqual([]);
  await lxd.admin(['shutdown']);
  expect(mounted()).toEqual([]);
  await lxd.stop();
  await lxd.start();
  await expect
    .poll(() => lxd.lxc(['exec', 'c1', '--', 'cat', '/root/state']), { timeout: 60_000 })
    .toMatchObject({ code: 0, stdout: 'here\n' });
  await debianLxc(lxd, 'config', 'unset', 'storage.backups_volume');
});

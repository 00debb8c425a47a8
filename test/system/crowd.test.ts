import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beside } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';
import { eventually } from '../support/wait.ts';

const count = 100;
const parallel = 8;
const names = Array.from({ length: count }, (_, n) => `crowd${n}`);

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
});
afterAll(() => lxd[Symbol.asyncDispose]());

/** Runs an action for each name, no more than `parallel` at a time. */
const all = async (action: (name: string) => Promise<unknown>): Promise<void> => {
  const waiting = [...names];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await action(name);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
};

const lines = (text: string): number => text.split('\n').filter(Boolean).length;

/** What may grow: open files and memory of the daemon, processes that know its folder, mounts, bridge ports, links. */
const usage = async () => ({
  files: readdirSync(`/proc/${lxd.pid()}/fd`).length,
  children: lines(
    await beside(
      lxd,
      'sh',
      '-c',
      'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n" | grep -F "$0" || true',
      lxd.folder,
    ),
  ),
  mounts: lines(readFileSync(`/proc/${lxd.pid()}/mountinfo`, 'utf8')),
  ports: lines(await beside(lxd, 'ip', '-o', 'link', 'show', 'master', 'lxdbr0')),
  links: lines(await beside(lxd, 'ip', '-o', 'link', 'show')),
});

const memory = (): number =>
  Number(readFileSync(`/proc/${lxd.pid()}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/)?.[1]) / 1024;

const round = async () => {
  await all((name) => lxd.api('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' } }));
  await all((name) => lxd.api('PUT', `/1.0/instances/${name}/state`, { action: 'start' }));
  expect(lines(await beside(lxd, 'ip', '-o', 'link', 'show', 'master', 'lxdbr0'))).toBe(count);
  await all((name) =>
    lxd.api('POST', `/1.0/instances/${name}/exec`, { command: ['true'], 'wait-for-websocket': false }),
  );
  await lxd.api('GET', '/1.0/instances?recursion=2');
  await all((name) => lxd.api('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true }));
  await all((name) => lxd.api('DELETE', `/1.0/instances/${name}`));
};

test('a hundred containers, eight at a time, leave nothing behind', { timeout: 600_000 }, async () => {
  // The first of everything loads code and fills caches that stay.
  await round();
  const before = await usage();
  const memoryBefore = memory();
  await round();
  // Operations are kept for some seconds after their end.
  const after = await eventually(usage, (now) => JSON.stringify(now) === JSON.stringify(before), 30_000).catch(usage);
  expect(after).toEqual(before);
  expect(
    await eventually(
      async () => memory(),
      (now) => now <= memoryBefore * 1.2,
      30_000,
    ),
  ).toBeLessThanOrEqual(memoryBefore * 1.2);
});

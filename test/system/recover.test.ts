/** `lxd recover`: pools of the real LXD into ours and the other way round, after the database was lost. */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Programs, startLxd } from '../support/lxd.ts';
import { debianLxc } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';
import {
  end,
  expectFilled,
  fill,
  importBusybox,
  type KeptPools,
  keep,
  outcome,
  pool,
  poolsOfReal,
  recover,
  surroundings,
} from '../support/recover.ts';
import type { Answer } from '../support/terminal.ts';

const foundInBoth = [
  ' - Container "c1" on pool "plain" in project "default" (includes 2 snapshots)',
  ' - Container "c2" on pool "tree" in project "default" (includes 2 snapshots)',
  ' - Volume "v-c1" on pool "plain" in project "default" (includes 1 snapshots)',
  ' - Volume "v-c2" on pool "tree" in project "default" (includes 1 snapshots)',
];

let kept: KeptPools;
beforeAll(async () => {
  kept = await poolsOfReal();
}, 120_000);
afterAll(() => kept?.[Symbol.asyncDispose]());

const bothPools = (folder: string): string[] => [
  ...pool('plain', 'dir', join(folder, 'plain')),
  ...pool('tree', 'btrfs', join(folder, 'tree.img')),
  'no',
];

test('[10.REC-03 10.REC-05 10.REC-06 05.242-244] pools of LXD 5.0.2 are recovered in its own words, and everything in them works', async () => {
  const folder = await kept.copy();
  await using lxd = await startLxd(ours);
  const first = await recover(
    lxd,
    ours,
    ...bothPools(folder),
    '',
    async () => {
      await surroundings(lxd);
      return '';
    },
    'no',
  );
  expect(first.code).toBe(0);
  const missing = outcome(first).slice(0, outcome(first).indexOf('Please'));
  expect(missing.split('\n').sort()).toEqual(
    [
      '',
      'Scanning for unknown volumes...',
      'The following unknown volumes have been found:',
      ...foundInBoth,
      'You are currently missing the following:',
      ' - Network "rcvbr" in project "default"',
      ' - Profile "web" in project "default"',
    ].sort(),
  );
  expect(JSON.parse(await debianLxc(lxd, 'storage', 'list', '--format=json'))).toEqual([]);
  const second = await recover(lxd, ours, ...bothPools(folder), '', 'yes');
  expect(second.code).toBe(0);
  expect(second.said).toMatch(
    /Would you like those to be recovered\? \(yes\/no\) \[default=no\]: yes\nStarting recovery\.\.\.\n$/,
  );
  const pools = z.array(z.looseObject({ name: z.string(), config: z.record(z.string(), z.string()) }));
  const [plain, tree] = pools.parse(JSON.parse(await debianLxc(lxd, 'storage', 'list', '--format=json')));
  expect(plain?.config).toEqual({ source: join(folder, 'plain') });
  // The size stands in the instances' records only.
  expect(tree?.config).toEqual({ source: join(folder, 'tree.img'), size: '256MiB' });
  await expectFilled(lxd);
  expect(outcome(await recover(lxd, ours, 'no', ''))).toBe(
    'Scanning for unknown volumes...\nNo unknown volumes found. Nothing to do.\n',
  );
});

test('[10.REC-01 10.REC-05] the dialogue is that of LXD 5.0.2, and wrong answers are asked again', async () => {
  const answers = (folder: string): Answer[] => [
    'maybe',
    'yes',
    '',
    'plain',
    'floppy',
    'dir',
    '',
    join(folder, 'plain'),
    'noequals',
    'user.a=b',
    '',
    'no',
    '',
    '',
  ];
  const talk = async (program: Programs, folder: string): Promise<string> => {
    await using lxd = await startLxd(program);
    const { said } = await recover(lxd, program, ...answers(folder));
    // Which drivers there are is the host's business; LXD lists volumes in any order.
    return said
      .replace(/(backend|one of) [[(][a-z, ]+[\])]/g, '$1 (...)')
      .split('\n')
      .sort()
      .join('\n');
  };
  const folder = await kept.copy();
  const [theirs, mine] = [await talk(real, folder), await talk(ours, folder)];
  expect(mine).toBe(theirs);
  expect(mine).toContain('Please create those missing entries and then hit ENTER');
});

test("Debian's `lxd recover` works with our daemon", async () => {
  const folder = await kept.copy();
  await using lxd = await startLxd(ours);
  await surroundings(lxd);
  const { said, code } = await recover(lxd, real, ...bothPools(folder), 'yes', 'yes');
  expect(said).toContain('Starting recovery...\n');
  expect(code).toBe(0);
  await expectFilled(lxd);
});

test('what our daemon made is recovered by LXD 5.0.2', async () => {
  const source = join(kept.folder, 'ours-source');
  mkdirSync(source);
  const own = join(kept.folder, 'ours-made');
  {
    await using lxd = await startLxd(ours);
    await fill(lxd, source);
    await end(lxd, 'plain', 'tree');
    await keep(lxd, source, own);
  }
  await using lxd = await startLxd(real);
  await surroundings(lxd);
  // It takes loop files from its own directory only.
  const disk = join(lxd.folder, 'disks/tree.img');
  renameSync(join(own, 'tree.img'), disk);
  const answers = [...pool('plain', 'dir', join(own, 'plain')), ...pool('tree', 'btrfs', disk), 'no', 'yes', 'yes'];
  const { said, code } = await recover(lxd, real, ...answers);
  expect(said).toContain('Starting recovery...\n');
  expect(code).toBe(0);
  await expectFilled(lxd);
});

test('[05.242 10.REC-01 10.REC-03] after the database is lost, instances that run are taken up again', async () => {
  await using lxd = await startLxd(ours);
  const source = join(lxd.folder, 'storage-pools/plain');
  await debianLxc(lxd, 'storage', 'create', 'plain', 'dir');
  await importBusybox(lxd);
  await debianLxc(lxd, 'profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=plain');
  await debianLxc(lxd, 'launch', 'busybox', 'runs');
  await debianLxc(lxd, 'snapshot', 'runs', 's0');
  const state = z.looseObject({ pid: z.number() });
  const pidOf = async () => state.parse(await lxd.api('GET', '/1.0/instances/runs/state')).pid;
  const pid = await pidOf();
  await lxd.kill();
  rmSync(join(lxd.folder, 'database'), { recursive: true });
  await lxd.start();
  expect(await lxd.api('GET', '/1.0/instances')).toEqual([]);
  const { code } = await recover(lxd, ours, ...pool('plain', 'dir', source), 'no', 'yes', 'yes');
  expect(code).toBe(0);
  expect(await pidOf()).toBe(pid);
  expect(await debianLxc(lxd, 'exec', 'runs', '--', 'hostname')).toBe('runs\n');
  await debianLxc(lxd, 'stop', '--force', 'runs');
  await debianLxc(lxd, 'restore', 'runs', 's0');
  await debianLxc(lxd, 'delete', 'runs');
});

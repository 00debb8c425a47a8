/**
 * Times of the driver beside those of liblxc's own tools on the same container, in the same run: medians of several rounds.
 *
 *     node --conditions=lxd-ts-source packages/instance-lxc/bench/start.ts [rounds]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from '@lxd-ts/driver-kit';
import { makeBusyboxRoot } from '@lxd-ts/driver-kit/testing';
import { contiguousIdMap, lxcIdMap } from '@lxd-ts/host';
import { lxc } from '@lxd-ts/instance-lxc';

const rounds = Number(process.argv[2] ?? 15);
const home = await mkdtemp(join(tmpdir(), 'lxc-bench-'));
await chmod(home, 0o711);

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
const time = async (action: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
};
const tool = async (program: string, ...args: string[]): Promise<void> => {
  const child = spawn(program, args, { stdio: 'ignore' });
  const [status]: unknown[] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${program} failed`);
};

const name = `bench-${process.pid}`;
const idmap = contiguousIdMap(1_000_000, 65_536);
const at = (kind: string) => join(home, kind, name);
const machine: Machine = {
  name,
  project: 'default',
  handle: name,
  architecture: 'x86_64',
  config: {},
  path: at('containers'),
  logs: at('logs'),
  devices: at('devices'),
  idmap,
};
for (const directory of [machine.path, machine.logs, machine.devices]) await mkdir(directory, { recursive: true });
await makeBusyboxRoot(join(machine.path, 'rootfs'));

/** The least a container of this kind needs. */
const bare = join(home, 'bare.conf');
await writeFile(
  bare,
  [
    `lxc.rootfs.path = dir:${machine.path}/rootfs`,
    'lxc.rootfs.options = idmap=container',
    ...lxcIdMap(idmap).map((value) => `lxc.idmap = ${value}`),
    'lxc.include = /usr/share/lxc/config/common.conf',
    'lxc.include = /usr/share/lxc/config/userns.conf',
    'lxc.hook.post-stop =',
    'lxc.apparmor.profile = unconfined',
    'lxc.net.0.type = empty',
    '',
  ].join('\n'),
);
const bareName = ['-P', home, '-n', 'bare'];

const times: Record<string, number[]> = {};
const note = (what: string, milliseconds: number) => {
  times[what] ??= [];
  times[what].push(milliseconds);
};
const request = { command: ['true'], environment: { PATH: '/bin' }, cwd: '/', uid: 0, gid: 0 } as const;
const exec = async (instance: Awaited<ReturnType<typeof lxc.start>>, more = {}) => {
  const session = await instance.exec({ ...request, ...more });
  session.stdin.end();
  session.stdout.resume();
  session.stderr?.resume();
  await session.exit;
};

try {
  for (let round = 0; round < rounds; round++) {
    note('lxc-start', await time(() => tool('lxc-start', ...bareName, '-f', bare)));
    for (let i = 0; i < 5; i++) note('lxc-attach', await time(() => tool('lxc-attach', ...bareName, '--', 'true')));
    note('lxc-stop -k', await time(() => tool('lxc-stop', ...bareName, '-k')));

    let instance = await lxc.start(machine, []);
    await exec(instance);
    await instance.kill();
    note(
      'start',
      await time(async () => {
        instance = await lxc.start(machine, []);
      }),
    );
    for (let i = 0; i < 5; i++) {
      note('exec', await time(() => exec(instance)));
      note('exec with a terminal', await time(() => exec(instance, { terminal: { width: 80, height: 24 } })));
      note('usage', await time(() => instance.usage()));
    }
    note('kill', await time(() => instance.kill()));
  }
} finally {
  await lxc.cleanup(machine);
  await rm(home, { recursive: true });
}

const ratios: Readonly<Record<string, string>> = {
  start: 'lxc-start',
  exec: 'lxc-attach',
  'exec with a terminal': 'lxc-attach',
};
for (const [what, values] of Object.entries(times)) {
  const base = ratios[what];
  const ratio = base === undefined ? '' : `  ${(median(values) / median(times[base] ?? [])).toFixed(2)} × ${base}`;
  console.log(`${what.padEnd(22)} ${median(values).toFixed(2).padStart(8)} ms${ratio}`);
}

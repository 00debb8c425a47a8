/** The physical limits: liblxc's own tools on the same root file system, without any daemon. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import type { Scratch } from '@lxd-ts/tooling/scratch';
import { succeed } from '../support/output.ts';
import { each } from './measure.ts';

const rounds = Array.from({ length: 12 }, (_, n) => `${n}`);

const configuration = (rootfs: string, name: string): string =>
  [
    `lxc.rootfs.path = dir:${rootfs}`,
    `lxc.uts.name = ${name}`,
    'lxc.idmap = u 0 1000000 65536',
    'lxc.idmap = g 0 1000000 65536',
    'lxc.net.0.type = empty',
    'lxc.mount.auto = proc:rw sys:rw cgroup:rw:force',
    'lxc.autodev = 1',
    '',
  ].join('\n');

/**
 * Median milliseconds of `lxc-start`, `lxc-attach -- true` and of copying the root file system.
 *
 * @param scratch - where to put it
 */
export const bareLimits = async (scratch: Scratch): Promise<{ start: number; attach: number; copy: number }> => {
  const name = `${scratch.prefix}-bare`;
  const folder = join(scratch.folder, 'bare');
  const home = join(folder, name);
  mkdirSync(home, { recursive: true, mode: 0o755 });
  execFileSync('tar', ['-C', home, '-xzf', busyboxImage().unified, 'rootfs']);
  execFileSync('chown', ['-hR', '1000000:1000000', join(home, 'rootfs')]);
  writeFileSync(join(home, 'config'), configuration(join(home, 'rootfs'), name));
  const lxc = (tool: string, ...args: string[]) => succeed([tool, '-P', folder, '-n', name, ...args]);

  const start: number[] = [];
  let attach = 0;
  for (const round of rounds.slice(0, 6)) {
    start.push(await each([round], () => lxc('lxc-start')));
    if (attach === 0) attach = await each(rounds, () => lxc('lxc-attach', '--', '/bin/true'));
    await lxc('lxc-stop', '-k');
  }
  const copy = await each(rounds, (n) => succeed(['cp', '-a', join(home, 'rootfs'), join(folder, `copy${n}`)]));
  return { start: start.sort((a, b) => a - b)[3] ?? 0, attach, copy };
};

/** The server's directory as a backup of all that the server has. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';

test("[05.234 05.235 05.236] LXD's directory, put back with the server down, is the server as it was", async () => {
  await using lxd = await startInitialised(underTest);
  const lxc = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lxd.lxc(args);
    expect(code, `lxc ${args.join(' ')}: ${stderr}`).toBe(0);
    return stdout;
  };
  await lxc('profile', 'create', 'extra');
  await lxc('storage', 'volume', 'create', 'default', 'v1');
  await lxc('launch', 'busybox', 'c1', '--profile', 'default', '--profile', 'extra');
  await lxc('storage', 'volume', 'attach', 'default', 'v1', 'c1', '/data');
  await lxc(
    'exec',
    'c1',
    '--',
    'sh',
    '-c',
    'echo inside > /root/file; chown 1000 /root/file; echo volume > /data/file',
  );
  await lxc('snapshot', 'c1', 's0');
  await lxc('stop', '--force', 'c1');
  await lxd.stop();
  const kept = join(lxd.scratch.folder, 'kept.tar');
  const tar = (...args: string[]) =>
    execFileSync(...(['tar', ['--xattrs', '--acls', '--numeric-owner', ...args]] as const));
  tar('-C', lxd.folder, '-cf', kept, '--exclude=./unix.socket', '.');

  await lxd.start();
  await lxc('delete', 'c1');
  await lxc('storage', 'volume', 'delete', 'default', 'v1');
  await lxc('launch', 'busybox', 'later');
  await lxc('delete', '--force', 'later');
  await lxd.stop();
  // What is mounted in there belongs to the namespace.
  execFileSync('nsenter', [
    ...['--target', String(lxd.namespace.pid), '--mount', '--'],
    ...['sh', '-c', `mount -l | awk '{print $3}' | grep ^${lxd.folder}/ | sort -r | xargs -r -n1 umount -l`],
  ]);
  for (const name of readdirSync(lxd.folder)) execFileSync('rm', ['-rf', join(lxd.folder, name)]);
  tar('-C', lxd.folder, '-xf', kept);

  await lxd.start();
  await lxc('start', 'c1');
  expect(await lxc('exec', 'c1', '--', 'sh', '-c', 'cat /root/file /data/file; stat -c %u /root/file')).toBe(
    'inside\nvolume\n1000\n',
  );
  await lxc('stop', '--force', 'c1');
  await lxc('restore', 'c1', 's0');
  expect(await lxc('list', '--format=csv', '--columns=nP')).toContain('c1,"default\nextra"');
  expect(await lxc('network', 'list', '--format=csv')).toContain('lxdbr0,bridge,YES');
  await lxc('launch', 'busybox', 'c2');
});

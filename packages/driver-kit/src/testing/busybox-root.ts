/**
 * A root file system for tests, made from Debian's busybox-static: one static program, a link per applet, an init.
 * It starts in milliseconds and has what tests look for: a shell, coreutils, ip, ps, stty.
 */
import { chmod, chown, copyFile, lchown, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@lxd-ts/host';

const busybox = '/usr/bin/busybox';
const directories = [
  'bin',
  'dev',
  'etc',
  'mnt',
  'proc',
  'root',
  'run',
  'sbin',
  'sys',
  'tmp',
  'usr/bin',
  'usr/sbin',
  'var',
];

/**
 * Init: says `booted` on the console, halts on SIGPWR, reboots on SIGINT, and answers lines typed on the console.
 * A shell reaps the processes it inherits while it waits.
 */
const init = `#!/bin/sh
trap 'echo halting; exit 0' PWR
trap 'reboot -f' INT
ip link set lo up
while read -r line; do echo "heard $line"; done </dev/console >/dev/console 2>&1 &
echo booted
while :; do sleep 3600 & wait $!; done
`;

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
  'etc/group': 'root:x:0:\ntty:x:5:\n',
  'etc/inittab': '::sysinit:/bin/true\n',
};

const chownTree = async (path: string, uid: number, gid: number): Promise<void> => {
  await lchown(path, uid, gid);
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) await chownTree(child, uid, gid);
    else await lchown(child, uid, gid);
  }
};

/**
 * Makes the root file system in a new directory.
 *
 * @param root - the directory, which is made
 * @param owner - whom everything belongs to on disk; root by default
 * @throws CommandError when busybox-static is not installed
 */
export const makeBusyboxRoot = async (root: string, owner?: { uid: number; gid: number }): Promise<void> => {
  const { stdout } = await run([busybox, '--list-full'], { debianPackage: 'busybox-static' });
  for (const directory of directories) await mkdir(join(root, directory), { recursive: true });
  await copyFile(busybox, join(root, 'bin/busybox'));
  for (const applet of stdout.split('\n').filter((name) => name !== '' && name !== 'bin/busybox')) {
    if (applet === 'sbin/init' || applet === 'linuxrc') continue;
    await mkdir(join(root, applet, '..'), { recursive: true });
    await symlink('/bin/busybox', join(root, applet));
  }
  await writeFile(join(root, 'sbin/init'), init, { mode: 0o755 });
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
  if (owner) await chownTree(root, owner.uid, owner.gid);
  else await chown(root, 0, 0);
  await chmod(join(root, 'tmp'), 0o1777);
};

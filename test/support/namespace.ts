import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scratch } from '@lxd-ts/tooling/scratch';

// /sys shows the network devices of the namespace it was mounted in, so it is mounted anew, and what was mounted below
// it (`ip netns exec` hides that) is carried over: control groups, and where there is AppArmor its interface.
// Then it waits, keeping the namespaces alive between starts of a daemon.
const holder = `
set -e
mount --make-rslave /
mount --rbind /sys "$1"
mount -t sysfs sysfs /sys
for part in fs/cgroup kernel/security; do
  if mountpoint -q "$1/$part"; then mount --rbind "$1/$part" "/sys/$part"; fi
done
umount -l "$1"
ip link set lo up
echo ready
exec sleep infinity
`;

/** A network namespace with loopback only, and a mount namespace to go with it. */
export interface Namespace extends AsyncDisposable {
  /** A process that is in it as long as it lasts. */
  readonly pid: number;
  /** The command that runs `command` inside, in the folder `cwd`: entering a mount namespace leads to its root. */
  readonly inside: (command: readonly string[], cwd?: string) => string[];
}

/** Makes namespaces that last until they are disposed of. */
export const makeNamespace = async (scratch: Scratch): Promise<Namespace> => {
  const mountPoint = join(scratch.folder, 'sys');
  mkdirSync(mountPoint);
  const flags = ['--net', '--mount', '--propagation', 'slave'];
  const child = spawn('unshare', [...flags, 'sh', '-c', holder, 'holder', mountPoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Names the folder, so that the processes of an aborted run can be found.
    env: { ...process.env, LXD_DIR: scratch.folder },
  });
  const closed = once(child, 'close');
  await Promise.race([
    once(child.stdout, 'data'),
    closed.then(() => Promise.reject(new Error('The namespaces could not be made'))),
  ]);
  const { pid } = child;
  if (pid === undefined) throw new Error('The namespaces could not be made');
  return {
    pid,
    inside: (command, cwd = '/') => {
      const enter = ['nsenter', '--target', String(pid), '--net', '--mount', '--'];
      return [...enter, 'env', `--chdir=${cwd}`, ...command];
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
};

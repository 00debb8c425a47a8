import { readdirSync } from 'node:fs';
import { openProcess, processArguments, processStatus } from '@lxd-ts/host';

const sigkill = 1n << 8n;

/** Whether a process was killed and has not come to its end: the kernel finishes what was asked of it first (proc_pid_status(5)). */
const isDying = (status: ReadonlyMap<string, string>): boolean =>
  ['SigPnd', 'ShdPnd'].some((name) => (BigInt(`0x${status.get(name) ?? '0'}`) & sigkill) !== 0n);

const isAbout = (root: string, argument: string): boolean =>
  argument === root || argument.startsWith(`${root}/`) || argument.startsWith(`${root}@`);

/**
 * Waits for programs of ZFS that were killed along with an earlier run and still work on a pool: what they are about to make would
 * otherwise appear after it was looked for.
 *
 * @param root - the root dataset of the pool
 */
export const awaitDying = async (root: string): Promise<void> => {
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const pid = Number(name);
    const status = processStatus(pid);
    if (!status || !/^(zfs|zpool)$/.test(status.get('Name') ?? '') || !isDying(status)) continue;
    if (!processArguments(pid)?.some((argument) => isAbout(root, argument))) continue;
    using dying = openProcess(pid);
    await dying?.exited();
  }
};

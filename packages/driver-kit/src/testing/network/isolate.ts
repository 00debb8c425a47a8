import { execFileSync } from 'node:child_process';
import koffi from 'koffi';

const CLONE_NEWNS = 0x00020000;
const CLONE_NEWNET = 0x40000000;

/**
 * Moves the calling thread, and all programs it starts from now on, into a network namespace of its own that has only the
 * loopback interface, with a view of /sys that shows it. For good: call it first thing in a test file, which vitest runs in
 * a process of its own. What the thread pool does (asynchronous `node:fs`) stays in the old namespaces.
 *
 * @throws Error without privileges
 */
export const isolateNetwork = (): void => {
  const unshare: (flags: number) => number = koffi.load(null).func('int unshare(int)');
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) !== 0) throw new Error(`unshare(2) failed with errno ${koffi.errno()}`);
  // Children are in the namespaces of the thread that starts them.
  execFileSync('mount', ['--make-rslave', '/']);
  execFileSync('mount', ['-t', 'sysfs', 'sysfs', '/sys']);
  execFileSync('ip', ['link', 'set', 'dev', 'lo', 'up']);
};

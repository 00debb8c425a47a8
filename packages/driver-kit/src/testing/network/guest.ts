import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { applyIp, run, setLink } from '@lxd-ts/host';
import type { NicAttachment } from '../../device/contract.ts';

/** A network namespace that stands for an instance. It goes away with its only process. */
export interface Guest extends AsyncDisposable {
  /** The process; its namespace is the guest. */
  readonly pid: number;
  /** Runs a program in the guest's network. @returns its output @throws CommandError when it fails */
  run(...argv: readonly [string, ...string[]]): Promise<string>;
  /** As `run`, but tells whether it succeeded. */
  try(...argv: readonly [string, ...string[]]): Promise<boolean>;
  /** Does what an instance's backend does with a NIC: takes the link in under its name, and brings it up. */
  attach(attachment: NicAttachment): Promise<void>;
}

export const startGuest = async (): Promise<Guest> => {
  const child = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write('\n');
  // What cat echoes proves that unshare(1) has done its work.
  await once(child.stdout, 'data');
  const { pid } = child;
  if (pid === undefined) throw new Error('The guest did not start');
  const runIn = async (...argv: readonly [string, ...string[]]): Promise<string> =>
    (await run(['nsenter', `--net=/proc/${pid}/ns/net`, '--', ...argv])).stdout;
  await applyIp(setLink('lo', { up: true }), pid);
  return {
    pid,
    run: runIn,
    try: (...argv) =>
      runIn(...argv).then(
        () => true,
        () => false,
      ),
    async attach({ link, name }) {
      await applyIp(setLink(link, { namespace: pid }));
      await applyIp([...setLink(link, { name: name || 'eth0' }), ...setLink(name || 'eth0', { up: true })], pid);
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
};

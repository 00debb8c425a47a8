import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addAddress, applyIp, flushAddresses, route } from '@lxd-ts/host';
import type { Guest } from './guest.ts';

/** What a DHCP server gave: udhcpc's variables (`ip`, `mask`, `router`, `domain`, `hostname`, `lease` in seconds, …). */
export type DhcpAnswer = Readonly<Record<string, string>>;

/**
 * Asks for a lease with busybox's client, and sets the guest's address and default route accordingly.
 *
 * @param directory - for the client's script
 * @param options - further arguments, such as `-x hostname:NAME`
 * @throws CommandError when nobody answers
 */
export const askDhcp = async (guest: Guest, directory: string, ...options: string[]): Promise<DhcpAnswer> => {
  const script = join(directory, 'udhcpc.sh');
  await writeFile(script, '#!/bin/sh\n[ "$1" != bound ] || env\n', { mode: 0o755 });
  const given = ['-i', 'eth0', '-s', script, '-n', '-q', '-t', '6', '-T', '1', '-O', 'search', '-O', 'mtu', ...options];
  const output = await guest.run('busybox', 'udhcpc', ...given);
  const answer = Object.fromEntries(output.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
  await applyIp(
    [
      ...flushAddresses('eth0', 'inet'),
      ...addAddress('eth0', `${answer.ip}/${answer.mask}`),
      ...(answer.router ? route('replace', 'eth0', '0.0.0.0/0', { via: answer.router }) : []),
    ],
    guest.pid,
  );
  return answer;
};

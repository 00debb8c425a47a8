import { once } from 'node:events';
import { createServer } from 'node:net';
import { addAddress, addVeth, applyIp, deleteLink, inNetNamespace, linkExists } from '@lxd-ts/host';
import type { TestContext } from '../context.ts';
import { type Guest, startGuest } from './guest.ts';

/** A machine beyond the host, in the networks 203.0.113.0/24 and 2001:db8:113::/64, in which the host has the address 1. */
export interface Outside {
  readonly guest: Guest;
  /** The host's interface to it. */
  readonly link: string;
  /** From which address a connection of another guest arrives there. @throws CommandError when it does not */
  seenFrom(guest: Guest, family?: 'ipv4' | 'ipv6'): Promise<string>;
}

const port = 7000;

/** Makes it, until the end of the context. It knows no routes to anywhere. */
export const startOutside = async (context: TestContext): Promise<Outside> => {
  const guest = await startGuest();
  context.defer('end the machine outside', async () => guest[Symbol.asyncDispose]());
  const link = `out${guest.pid}`;
  context.defer(`delete ${link}`, async () => {
    if (linkExists(link)) await applyIp(deleteLink(link));
  });
  await applyIp([
    ...addVeth(link, { name: 'eth0', namespace: guest.pid }, { up: true }),
    ...addAddress(link, '203.0.113.1/24'),
    ...addAddress(link, '2001:db8:113::1/64', { noDad: true }),
  ]);
  await applyIp(
    [
      ['link', 'set', 'dev', 'eth0', 'up'],
      ...addAddress('eth0', '203.0.113.2/24'),
      ...addAddress('eth0', '2001:db8:113::2/64', { noDad: true }),
    ],
    guest.pid,
  );
  const server = createServer((socket) => socket.end(`${socket.remoteAddress}\n`));
  inNetNamespace(guest.pid, () => {
    server.listen(port);
    return true;
  });
  await once(server, 'listening');
  context.defer('close the server outside', async () => {
    server.close();
  });
  return {
    guest,
    link,
    async seenFrom(from, family = 'ipv4') {
      const address = family === 'ipv4' ? '203.0.113.2' : '2001:db8:113::2';
      const seen = await from.run('busybox', 'nc', '-w', '2', address, `${port}`);
      return seen.trim().replace(/^::ffff:/, '');
    },
  };
};

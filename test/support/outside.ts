/** The world outside: a network namespace that an LXD's one is linked to, with a TCP server in it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Lxd } from './lxd.ts';
import { succeed } from './output.ts';

export interface Outside extends AsyncDisposable {
  /** Where the server listens; it answers with the address that it sees the caller at. */
  readonly address: string;
  readonly port: number;
  /** The LXD's own address on the link between. */
  readonly gateway: string;
}

const server = `
require('node:net').createServer((socket) => socket.end(socket.remoteAddress.replace('::ffff:', '') + '\\n'))
  .listen(7007, '192.0.2.2', () => console.log('ready'));
`;

/** Links the namespace to the LXD's; addresses are of TEST-NET-1 (RFC 5737), and it has no route to instances. */
export const makeOutside = async (lxd: Lxd): Promise<Outside> => {
  const name = `${lxd.scratch.prefix}out`;
  const [near, far] = [`${lxd.scratch.prefix}n`, `${lxd.scratch.prefix}f`];
  const there = (...command: string[]) => ['ip', 'netns', 'exec', name, ...command];
  const here = (...command: string[]) => lxd.namespace.inside(command);
  await succeed(['ip', 'netns', 'add', name]);
  await succeed(here('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far));
  await succeed(here('ip', 'link', 'set', far, 'netns', name));
  await succeed(here('ip', 'address', 'add', '192.0.2.1/24', 'dev', near));
  await succeed(here('ip', 'link', 'set', near, 'up'));
  await succeed(there('ip', 'address', 'add', '192.0.2.2/24', 'dev', far));
  await succeed(there('ip', 'link', 'set', far, 'up'));
  const [program = '', ...args] = there(process.execPath, '-e', server);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(createInterface(child.stdout), 'line');
  return {
    address: '192.0.2.2',
    port: 7007,
    gateway: '192.0.2.1',
    [Symbol.asyncDispose]: async () => {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
      await succeed(['ip', 'netns', 'delete', name]);
    },
  };
};

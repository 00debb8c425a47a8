import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { type Client, openSftp } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { ExitStatus, UserError } from '../../command/errors.ts';
import { bool, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';

/** Mounts a directory of an instance with sshfs, which speaks SFTP over its own standard input and output. */
const mountWithSshfs = async (client: Client, instance: string, path: string, target: string): Promise<void> => {
  if (!existsSync(target)) throw new UserError(`stat ${target}: no such file or directory`);
  if (!statSync(target).isDirectory()) throw new UserError('Target path must be a directory');
  const sftp = await openSftp(client, instance);
  const source = `${instance}${path}`;
  const child = spawn('sshfs', ['-o', 'slave', `${instance}:${path}`, target], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('exit', (status, signal) => resolve(signal === 'SIGTERM' ? 0 : (status ?? 1)));
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new UserError('sshfs not found. Try SSH SFTP mode using the --listen flag')
          : new UserError(`sshfs cannot be started: ${error.message}`),
      );
    });
  });
  child.once('spawn', () => out(`sshfs mounting "${source}" on "${target}"\nPress ctrl+c to finish\n`));
  // A stream that breaks because the other end is gone is the end of the mount, which `ended` tells.
  for (const stream of [sftp, child.stdin, child.stdout]) stream.on('error', () => undefined);
  sftp.pipe(child.stdin);
  child.stdout.pipe(sftp);
  sftp.once('close', () => child.kill('SIGTERM'));
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const status = await ended;
    if (status !== 0) throw new ExitStatus(status);
    out('sshfs has stopped\n');
  } finally {
    sftp.destroy();
  }
};

/** The address and port to listen on; without one a free port of this machine. */
const parseListen = (text: string): { host: string; port: number } => {
  if (text === '') return { host: '127.0.0.1', port: 0 };
  const [, host, port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(text) ?? [];
  if (host === undefined) throw new UserError(`Invalid listen address "${text}", use address:port`);
  return { host, port: Number(port) };
};

const listenForSftp = async (
  client: Client,
  instance: string,
  listen: string,
  authentication: { none: boolean; user: string },
): Promise<void> => {
  const { serveSftp } = await import('./sftp-server.ts');
  // Better to hear now that the instance is not there than at the first login.
  (await openSftp(client, instance)).destroy();
  const { none, user } = authentication;
  const { address, credentials, closed } = await serveSftp({
    ...parseListen(listen),
    user,
    authenticate: !none,
    open: () => openSftp(client, instance),
  });
  out(`SSH SFTP listening on ${address}\n`);
  out(
    credentials
      ? `Login with username "${credentials.user}" and password "${credentials.password}"\n`
      : 'Login without username and password\n',
  );
  await closed;
};

const run = async (cli: Cli, text: string, target: string | undefined, flags: Flags): Promise<void> => {
  const { client, name } = await cli.locate(text);
  const slash = name.indexOf('/');
  const instance = slash < 0 ? name : name.slice(0, slash);
  const path = slash < 0 ? undefined : name.slice(slash);
  if (instance === '') throw new UserError('Missing instance name');
  if (target === undefined) {
    if (path !== undefined) throw new UserError('Instance path cannot be used in SSH SFTP listener mode');
    const authentication = { none: flags['no-auth'], user: flags['auth-user'] };
    return listenForSftp(client, instance, flags.listen, authentication);
  }
  if (flags.listen !== '') throw new UserError('Target path and --listen flag cannot be used together');
  // sshfs takes the instance's root where no path is named.
  await mountWithSshfs(client, instance, path ?? '/', target.replace(/(.)\/+$/, '$1'));
};

interface Flags {
  'auth-user': string;
  listen: string;
  'no-auth': boolean;
}

export const fileMount = command({
  use: '[<remote>:]<instance>[/<path>] [<target path>]',
  short: 'Mount files from instances',
  examples: `lxc file mount foo/root fooroot
   To mount /root from the instance foo onto the local fooroot directory.`,
  args: [1, 2],
  flags: {
    'auth-user': string('Set authentication user when using SSH SFTP listener', { label: 'auth-user string' }),
    listen: string('Setup SSH SFTP listener on address:port instead of mounting', { label: 'listen string' }),
    'no-auth': bool('Disable authentication when using SSH SFTP listener'),
  },
  run: (cli, { args: [text = '', target], flags }) => run(cli, text, target, flags),
});

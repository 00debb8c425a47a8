import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Client, connect } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { endpointOf } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, string } from '../../command/flags.ts';
import { clientKeys } from '../../config/certificate.ts';
import { type Remote, saveConfig } from '../../config/config.ts';
import { out } from '../../output/streams.ts';
import { ask, askSecret } from '../common/input.ts';
import type { Server } from '../server.ts';
import { readToken, serverUrl, type TrustToken } from './address.ts';
import {
  certificatePath,
  confirmCertificate,
  fetchCertificate,
  rememberCertificate,
  type ServerCertificate,
} from './certificate.ts';

interface Wish {
  name: string;
  url: string;
  acceptCertificate: boolean;
  password: string;
  public: boolean;
  project: string;
  token: TrustToken | undefined;
}

/** Makes sure that the server is the one the user means, and remembers its certificate if no authority vouches for it. */
const identify = (cli: Cli, wish: Wish, certificate: ServerCertificate): void => {
  if (wish.token !== undefined) {
    if (certificate.fingerprint !== wish.token.fingerprint) {
      throw new UserError(`Certificate fingerprint mismatch between certificate token and server "${wish.url}"`);
    }
  } else if (certificate.authorised) {
    return;
  } else if (!wish.acceptCertificate) {
    confirmCertificate(certificate);
  }
  rememberCertificate(cli.config.directory, wish.name, certificate.pem);
};

const isTrusted = async (client: Client): Promise<Server> => (await client.get<Server>([])).value;

/** Has the server add the client's certificate to those it trusts. */
const introduce = async (cli: Cli, client: Client, wish: Wish): Promise<void> => {
  const given = wish.token?.text ?? wish.password;
  const password = given === '' ? await askSecret(`Admin password (or token) for ${wish.name}: `) : given;
  await client.send('POST', ['certificates'], { type: 'client', name: hostname(), password });
  if ((await isTrusted(client)).auth !== 'trusted') throw new UserError("Server doesn't trust us after authentication");
  if (wish.token === undefined && !cli.global.quiet) {
    out(`Client certificate now trusted by server: ${wish.name}\n`);
  }
};

/** The project to work in: the one asked for, the default one if it may be used, or one the user picks. */
const chooseProject = async (client: Client, wanted: string): Promise<string> => {
  if (wanted !== '') {
    await client.get(['projects', wanted]);
    return wanted;
  }
  const { value } = await client.get<{ name: string }[]>(['projects'], { recursion: 1 });
  const names = value.map(({ name }) => name);
  const [only] = names;
  if (names.length === 0 || names.includes('default')) return 'default';
  if (names.length === 1 && only !== undefined) return only;
  out(`Available projects:\n${names.map((name) => ` - ${name}\n`).join('')}`);
  for (;;) {
    const answer = ask('Name of the project to use for this remote: ');
    if (names.includes(answer)) return answer;
  }
};

const addServer = async (cli: Cli, wish: Wish): Promise<void> => {
  const { config } = cli;
  const remote: Remote = {
    addr: wish.url,
    auth_type: wish.public ? '' : 'tls',
    domain: '',
    project: '',
    protocol: 'lxd',
    public: wish.public,
  };
  if (!wish.url.startsWith('unix:')) {
    if (!wish.public) await clientKeys(config.directory, { create: true });
    identify(cli, wish, await fetchCertificate(wish.url));
  }
  try {
    const client = connect(await endpointOf(config, wish.name, remote), { userAgent: 'LXD 5.15' });
    try {
      const server = await isTrusted(client);
      if (!wish.public) {
        if (server.auth !== 'trusted') await introduce(cli, client, wish);
        remote.project = await chooseProject(client, wish.project);
      }
    } finally {
      client.close();
    }
  } catch (error) {
    rmSync(certificatePath(config.directory, wish.name), { force: true });
    throw error;
  }
  config.remotes.set(wish.name, remote);
  saveConfig(config);
};

/** A token names several addresses, of which not all need to be reachable from here. */
const addByToken = async (cli: Cli, wish: Wish, token: TrustToken): Promise<void> => {
  let failure: unknown = new UserError('The token names no address of the server');
  for (const address of token.addresses) {
    try {
      return await addServer(cli, { ...wish, url: serverUrl(address), token });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
};

const addImageServer = (cli: Cli, name: string, addr: string): void => {
  if (!addr.startsWith('https://')) throw new UserError('Only https URLs are supported for simplestreams');
  cli.config.remotes.set(name, {
    addr: addr.replace(/\/+$/, ''),
    auth_type: '',
    domain: '',
    project: '',
    protocol: 'simplestreams',
    public: true,
  });
  saveConfig(cli.config);
};

export const remoteAdd = command({
  use: '[<remote>] <IP|FQDN|URL|token>',
  short: 'Add new remote servers',
  long: `URL for remote resources must be HTTPS (https://).

Basic authentication can be used when combined with the "simplestreams" protocol:
  lxc remote add some-name https://LOGIN:PASSWORD@example.com/some/path --protocol=simplestreams`,
  args: [1, 2],
  flags: {
    'accept-certificate': bool('Accept certificate'),
    'auth-type': string('Server authentication type (tls or candid)'),
    domain: string('Candid domain to use'),
    password: string('Remote admin password'),
    project: string('Project to use for the remote'),
    protocol: string('Server protocol (lxd or simplestreams)'),
    public: bool('Public image server'),
  },
  run: async (cli, { args, flags }) => {
    const addr = args.at(-1) ?? '';
    const token = readToken(addr);
    const [implied = ''] = token?.addresses ?? [];
    // With the server alone it lends its name to the remote.
    const fallback = token ? implied.replace(/:\d+$/, '') : addr;
    const name = args.length > 1 ? (args[0] ?? '') : fallback;
    const existing = cli.config.remotes.get(name);
    if (existing) throw new UserError(`Remote ${name} exists as <${existing.addr}>`);
    if (name.includes(':')) throw new UserError('Remote names may not contain colons');
    if (name.includes('/')) throw new UserError('Remote names may not contain slashes');
    if (name === '') throw new UserError('Missing remote name');
    if (!['', 'lxd', 'simplestreams'].includes(flags.protocol)) {
      throw new UserError(`Invalid protocol: ${flags.protocol}`);
    }
    if (!['', 'tls'].includes(flags['auth-type'])) {
      throw new UserError(`Authentication type "${flags['auth-type']}" is not supported, use tls`);
    }
    if (flags.protocol === 'simplestreams') return addImageServer(cli, name, addr);
    const wish: Wish = {
      name,
      url: '',
      acceptCertificate: flags['accept-certificate'],
      password: flags.password,
      public: flags.public,
      // The flag of the same name that every command has comes to the same.
      project: flags.project,
      token: undefined,
    };
    if (token) return addByToken(cli, wish, token);
    await addServer(cli, { ...wish, url: serverUrl(addr) });
  },
});

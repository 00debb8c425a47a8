import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Client,
  type ClientOptions,
  clientOver,
  createTransport,
  type Endpoint,
  localSocketPath,
} from '@lxd-ts/client';
import { UserError } from './command/errors.ts';
import type { GlobalFlags } from './command/flags.ts';
import { type ClientConfig, type Remote, splitRemote } from './config/config.ts';
import { trace } from './output/debug.ts';

/** A server by the name it has for the client, and one thing on it. */
export interface Resource {
  remote: string;
  name: string;
}

/** What commands work with: the configuration, the global flags, and the way to servers. */
export interface Cli {
  readonly config: ClientConfig;
  readonly global: GlobalFlags;
  /** Takes `remote:name` apart. Throws UserError for an unknown remote. */
  resource(text: string): Resource;
  /** The client of a remote, in the project that the flags or the configuration choose. */
  server(remote: string): Promise<Client>;
  /** `resource` and `server` in one. */
  locate(text: string): Promise<Resource & { client: Client }>;
  close(): void;
}

const readOptional = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** How to reach a remote that speaks LXD's own protocol. */
export const endpointOf = async (config: ClientConfig, name: string, remote: Remote): Promise<Endpoint> => {
  if (remote.addr === 'unix://' || remote.addr === 'unix:') {
    return { kind: 'unix', socketPath: localSocketPath(process.env, existsSync) };
  }
  if (remote.addr.startsWith('unix:')) return { kind: 'unix', socketPath: remote.addr.replace(/^unix:(\/\/)?/, '') };
  const pinned = readOptional(join(config.directory, 'servercerts', `${name}.crt`));
  const ca = readOptional(join(config.directory, 'client.ca'));
  const keys = remote.public
    ? {}
    : await (await import('./config/certificate.ts')).clientKeys(config.directory, { create: false });
  return {
    kind: 'https',
    url: remote.addr,
    ...keys,
    ...(ca === undefined ? {} : { ca }),
    ...(pinned === undefined ? {} : { pinnedCertificate: pinned }),
  };
};

/** Makes what commands work with. */
export const openCli = (config: ClientConfig, global: GlobalFlags): Cli => {
  const clients = new Map<string, Promise<Client>>();

  const open = async (name: string): Promise<Client> => {
    const remote = config.remotes.get(name);
    if (remote === undefined) throw new UserError(`The remote "${name}" doesn't exist`);
    if (remote.protocol === 'simplestreams') throw new UserError("The remote isn't a private LXD server");
    const project = global.project || remote.project;
    const options: ClientOptions = {
      // The default project goes without saying. Said, it would hide the warnings that belong to none.
      project: project === 'default' ? '' : project,
      userAgent: 'LXD 5.15',
      ...(global.debug ? { trace } : {}),
    };
    const endpoint: Endpoint = global['force-local']
      ? { kind: 'unix', socketPath: localSocketPath(process.env, existsSync) }
      : await endpointOf(config, name, remote);
    return clientOver(createTransport(endpoint), options);
  };

  const server: Cli['server'] = (name) => {
    const known = clients.get(name) ?? open(name);
    clients.set(name, known);
    return known;
  };
  const resource: Cli['resource'] = (text) => splitRemote(config, text);

  return {
    config,
    global,
    resource,
    server,
    locate: async (text) => {
      const found = resource(text);
      return { ...found, client: await server(found.remote) };
    },
    close: () => {
      // Connections that failed to open have been reported where they were asked for.
      for (const client of clients.values())
        client.then(
          (opened) => opened.close(),
          () => undefined,
        );
    },
  };
};

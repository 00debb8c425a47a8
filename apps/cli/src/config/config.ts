import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../command/errors.ts';
import { printYaml } from '../yaml/print.ts';
import { config as map, type Struct } from '../yaml/shape.ts';
import { readSimple, type SimpleMap } from '../yaml/simple.ts';

/** A server the client knows by name. */
export interface Remote {
  addr: string;
  auth_type: string;
  domain: string;
  project: string;
  protocol: string;
  public: boolean;
}

/** The client's own configuration: its file, with what is built in added. */
export interface ClientConfig {
  /** The directory of `config.yml`, the client's key pair and `servercerts/`. */
  directory: string;
  /** The remote that names without one belong to: what `LXC_REMOTE` says, else the stored one. */
  defaultRemote: string;
  /** The default remote as the user chose it for good; what the environment says never gets into the file. */
  storedDefault: string;
  remotes: Map<string, Remote>;
  aliases: Map<string, string>;
  /** Names of remotes that come from the system-wide file. */
  global: ReadonlySet<string>;
  /** Whether the user's configuration was there when the program started. */
  existed: boolean;
}

export const remoteShape: Struct = {
  fields: {
    addr: 'string',
    auth_type: 'string',
    domain: 'string',
    project: 'string',
    protocol: 'string',
    public: 'bool',
  },
  omitEmpty: ['auth_type', 'domain', 'project', 'protocol'],
};
const fileShape: Struct = {
  fields: { 'default-remote': 'string', remotes: { map: remoteShape }, aliases: map },
};

/** The file as read. */
interface File {
  'default-remote': string;
  remotes: Record<string, Remote>;
  aliases: Record<string, string>;
}

const imageServer = (addr: string): Remote => remote(addr, { protocol: 'simplestreams', public: true });

/** Remotes that are always there; only a project can be chosen for them. */
const builtIn: Record<string, () => Remote> = {
  local: () => remote('unix://'),
  ubuntu: () => imageServer('https://cloud-images.ubuntu.com/releases'),
  'ubuntu-daily': () => imageServer('https://cloud-images.ubuntu.com/daily'),
};

/** Whether a remote cannot be renamed, moved or removed. */
export const isStatic = (name: string): boolean => name in builtIn;

/** Where the user's configuration is: `LXD_CONF`, else below the XDG configuration directory (spec 01, client directories). */
const userDirectory = (env: NodeJS.ProcessEnv): string => {
  if (env.LXD_CONF) return env.LXD_CONF;
  const home = env.HOME || homedir();
  const snap = join(home, 'snap', 'lxd', 'common', 'config');
  return existsSync(snap) ? snap : join(home, '.config', 'lxc');
};

const remote = (addr: string, more: Partial<Remote> = {}): Remote => ({
  addr,
  auth_type: '',
  domain: '',
  project: '',
  protocol: '',
  public: false,
  ...more,
});

const texts = (found: SimpleMap[string] | undefined): Record<string, string> =>
  Object.fromEntries(
    Object.entries(typeof found === 'object' ? found : {}).flatMap(([key, value]) =>
      typeof value === 'string' ? [[key, value] as const] : [],
    ),
  );

const fromSimple = (found: SimpleMap): Partial<File> => ({
  'default-remote': typeof found['default-remote'] === 'string' ? found['default-remote'] : '',
  remotes: Object.fromEntries(
    Object.entries(typeof found.remotes === 'object' ? found.remotes : {}).map(([name, value]) => {
      const fields = texts(value);
      return [name, remote(fields.addr ?? '', { ...fields, public: fields.public === 'true' })];
    }),
  ),
  aliases: texts(found.aliases),
});

const readFile = async (path: string): Promise<Partial<File> | undefined> => {
  if (!existsSync(path)) return undefined;
  try {
    const text = readFileSync(path, 'utf8');
    const simple = readSimple(text);
    if (simple) return fromSimple(simple);
    const { readYaml } = await import('../yaml/read.ts');
    // readYaml returns what the shape describes.
    return ((await readYaml(text, fileShape)) ?? {}) as Partial<File>;
  } catch (error) {
    throw new UserError(
      `Unable to decode the configuration ${path}: ${error instanceof Error ? error.message : error}`,
    );
  }
};

/** Reads the user's configuration, lays it over the system-wide one, and adds the built-in remotes. */
export const loadConfig = async (env: NodeJS.ProcessEnv): Promise<ClientConfig> => {
  const directory = userDirectory(env);
  const file = await readFile(join(directory, 'config.yml'));
  const globalFile = await readFile(join(env.LXD_GLOBAL_CONF || '/etc/lxc', 'config.yml'));
  const complete = (found: Partial<File> | undefined): [string, Remote][] =>
    Object.entries(found?.remotes ?? {}).map(([name, value]) => [name, { ...remote(''), ...value }]);
  const remotes = new Map(complete(globalFile));
  const global = new Set(remotes.keys());
  const first: [string, Remote][] = [['images', imageServer('https://images.linuxcontainers.org')]];
  for (const [name, value] of file?.remotes ? complete(file) : first) {
    remotes.set(name, value);
    global.delete(name);
  }
  for (const [name, make] of Object.entries(builtIn)) {
    const project = remotes.get(name)?.project ?? '';
    remotes.set(name, { ...make(), project });
    global.delete(name);
  }
  const storedDefault = file?.['default-remote'] || globalFile?.['default-remote'] || 'local';
  return {
    directory,
    defaultRemote: env.LXC_REMOTE || storedDefault,
    storedDefault,
    remotes,
    aliases: new Map(Object.entries({ ...globalFile?.aliases, ...file?.aliases })),
    global,
    existed: file !== undefined,
  };
};

/** Writes the user's configuration; the file appears whole or not at all. */
export const saveConfig = (config: ClientConfig): void => {
  const kept = [...config.remotes].filter(
    ([name, { project }]) => !config.global.has(name) && (name === 'local' || !isStatic(name) || project !== ''),
  );
  mkdirSync(config.directory, { recursive: true, mode: 0o750 });
  const path = join(config.directory, 'config.yml');
  const text = printYaml(
    {
      'default-remote': config.storedDefault,
      remotes: Object.fromEntries(kept),
      aliases: Object.fromEntries(config.aliases),
    },
    fileShape,
  );
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
};

/** The remote and the rest of `remote:rest`; without a colon all of it belongs to the default remote. */
export const splitRemote = (config: ClientConfig, text: string): { remote: string; name: string } => {
  const colon = text.indexOf(':');
  if (colon < 0) return { remote: config.defaultRemote, name: text };
  const remoteName = text.slice(0, colon);
  if (!config.remotes.has(remoteName)) throw new UserError(`The remote "${remoteName}" doesn't exist`);
  return { remote: remoteName, name: text.slice(colon + 1) };
};

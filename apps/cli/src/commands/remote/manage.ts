import { existsSync, renameSync, rmSync } from 'node:fs';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { formatFlag } from '../../command/flags.ts';
import { type ClientConfig, isStatic, type Remote, remoteShape, saveConfig } from '../../config/config.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { certificatePath } from './certificate.ts';

const known = (config: ClientConfig, name: string): Remote => {
  const remote = config.remotes.get(name);
  if (remote === undefined) throw new UserError(`Remote ${name} doesn't exist`);
  return remote;
};

/** A remote that the user may change. */
const own = (config: ClientConfig, name: string): Remote => {
  const remote = known(config, name);
  if (isStatic(name)) throw new UserError(`Remote ${name} is static and cannot be modified`);
  if (config.global.has(name)) throw new UserError(`Remote ${name} is global and cannot be removed`);
  return remote;
};

const authType = (remote: Remote): string => {
  if (remote.addr.startsWith('unix:')) return 'file access';
  if (remote.protocol === 'simplestreams') return 'none';
  return remote.auth_type || 'tls';
};

const yesNo = (value: boolean): string => (value ? 'YES' : 'NO');

export const remoteList = command({
  use: '',
  short: 'List the available remotes',
  args: [0, 0],
  flags: { format: formatFlag },
  run: async ({ config }, { flags }) => {
    const rows = [...config.remotes].map(([name, remote]) => [
      name === config.defaultRemote ? `${name} (current)` : name,
      remote.addr,
      remote.protocol || 'lxd',
      authType(remote),
      yesNo(remote.public),
      yesNo(isStatic(name)),
      yesNo(config.global.has(name)),
    ]);
    const forJson = [...config.remotes].map(([name, remote]) => [
      name,
      {
        Addr: remote.addr,
        AuthType: remote.auth_type,
        Domain: remote.domain,
        Project: remote.project,
        Protocol: remote.protocol,
        Public: remote.public,
        Global: config.global.has(name),
        Static: isStatic(name),
      },
    ]);
    printListing(flags.format, {
      header: ['NAME', 'URL', 'PROTOCOL', 'AUTH TYPE', 'PUBLIC', 'STATIC', 'GLOBAL'],
      rows: rows.sort(compareRows),
      data: Object.fromEntries(flags.format === 'json' ? forJson.sort() : config.remotes),
      shape: flags.format === 'json' ? { map: remoteJson } : { map: remoteShape },
    });
  },
});

const remoteJson = {
  fields: {
    Addr: 'string',
    AuthType: 'string',
    Domain: 'string',
    Project: 'string',
    Protocol: 'string',
    Public: 'bool',
    Global: 'bool',
    Static: 'bool',
  },
} as const;

export const remoteGetDefault = command({
  use: '',
  short: 'Show the default remote',
  args: [0, 0],
  run: async ({ config }) => out(`${config.defaultRemote}\n`),
});

export const remoteRemove = command({
  use: '<remote>',
  short: 'Remove remotes',
  args: [1, 1],
  run: async ({ config }, { args: [name = ''] }) => {
    own(config, name);
    if ([config.defaultRemote, config.storedDefault].includes(name))
      throw new UserError("Can't remove the default remote");
    config.remotes.delete(name);
    rmSync(certificatePath(config.directory, name), { force: true });
    saveConfig(config);
  },
});

export const remoteRename = command({
  use: '<remote> <new-name>',
  short: 'Rename remotes',
  args: [2, 2],
  run: async ({ config }, { args: [name = '', renamed = ''] }) => {
    const remote = own(config, name);
    if (config.remotes.has(renamed)) throw new UserError(`Remote ${renamed} already exists`);
    if (/[:/]/.test(renamed) || renamed === '') throw new UserError('Remote names may not contain colons or slashes');
    const certificate = certificatePath(config.directory, name);
    if (existsSync(certificate)) renameSync(certificate, certificatePath(config.directory, renamed));
    config.remotes.delete(name);
    config.remotes.set(renamed, remote);
    if (config.storedDefault === name) config.storedDefault = renamed;
    saveConfig(config);
  },
});

export const remoteSetUrl = command({
  use: '<remote> <URL>',
  short: 'Set the URL for the remote',
  args: [2, 2],
  run: async ({ config }, { args: [name = '', url = ''] }) => {
    own(config, name).addr = url;
    saveConfig(config);
  },
});

export const remoteSwitch = command({
  use: '<remote>',
  short: 'Switch the default remote',
  args: [1, 1],
  run: async ({ config }, { args: [name = ''] }) => {
    known(config, name);
    config.storedDefault = name;
    saveConfig(config);
  },
});

import { fstatSync, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { basename, join, posix, resolve } from 'node:path';
import { type Client, isNotFound, pullFile, pushFile } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, int, string } from '../../command/flags.ts';
import { progressLine } from '../../output/progress.ts';
import { meteredFile } from '../common/raw.ts';
import { instanceFile } from './target.ts';

interface Attributes {
  uid?: number | undefined;
  gid?: number | undefined;
  mode?: number | undefined;
}

const reasons: Record<string, string> = { ENOENT: 'no such file or directory', EACCES: 'permission denied' };

/** What a local path is. Throws UserError in the words of the reference client. */
const localStat = (path: string) => {
  try {
    return statSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new UserError(`open ${path}: ${reasons[code] ?? code}`);
  }
};

/** Makes a directory with all above it that are missing; those that are there stay as they are. */
const makeDirectories = async (
  client: Client,
  instance: string,
  path: string,
  attributes: Attributes,
): Promise<void> => {
  if (path === '/' || path === '') return;
  try {
    const found = await pullFile(client, instance, path);
    if (found.type === 'file') {
      found.content.resume();
      throw new UserError(`${path} is not a directory`);
    }
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  await makeDirectories(client, instance, posix.dirname(path), attributes);
  await pushFile(client, instance, path, { type: 'directory', mode: 0o750, ...attributes });
};

const sendFile = async (
  cli: Cli,
  client: Client,
  instance: string,
  from: string,
  to: string,
  attributes: Attributes,
): Promise<void> => {
  const progress = progressLine(cli.global.quiet, `Pushing ${from} to ${to}: %s`);
  try {
    await pushFile(client, instance, to, { type: 'file', content: meteredFile(from, progress), ...attributes });
  } finally {
    progress?.done();
  }
};

/** Copies a local directory with everything in it below a directory of the instance. */
const pushTree = async (cli: Cli, client: Client, instance: string, from: string, to: string): Promise<void> => {
  const stat = lstatSync(from);
  const attributes = { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o777 };
  if (stat.isSymbolicLink()) {
    await pushFile(client, instance, to, { type: 'symlink', content: readlinkSync(from) });
  } else if (stat.isDirectory()) {
    await pushFile(client, instance, to, { type: 'directory', ...attributes });
    for (const name of readdirSync(from)) {
      await pushTree(cli, client, instance, join(from, name), posix.join(to, name));
    }
  } else if (stat.isFile()) {
    await sendFile(cli, client, instance, from, to, attributes);
  } else {
    throw new UserError(`'${from}' isn't a supported file type`);
  }
};

export const filePush = command({
  use: '<source path>... [<remote>:]<instance>/<path>',
  short: 'Push files into instances',
  examples: `lxc file push /etc/hosts foo/etc/hosts
   To push /etc/hosts into the instance "foo".`,
  args: [2, Number.POSITIVE_INFINITY],
  flags: {
    'create-dirs': bool('Create any directories necessary', { short: 'p' }),
    gid: int("Set the file's gid on push", { default: -1 }),
    mode: string("Set the file's perms on push"),
    recursive: bool('Recursively transfer files', { short: 'r' }),
    uid: int("Set the file's uid on push", { default: -1 }),
  },
  run: async (cli, { args, flags }) => {
    const sources = args.slice(0, -1);
    const { client, instance, path } = await instanceFile(cli, args.at(-1) ?? '', 'target');
    const uid = flags.uid < 0 ? undefined : flags.uid;
    const gid = flags.gid < 0 ? undefined : flags.gid;
    if (flags.mode !== '' && !/^0?[0-7]{1,4}$/.test(flags.mode)) {
      const shown = flags.mode.length === 3 ? `0${flags.mode}` : flags.mode;
      throw new UserError(`strconv.ParseInt: parsing "${shown}": invalid syntax`);
    }
    const mode = flags.mode === '' ? undefined : Number.parseInt(flags.mode, 8);
    const directory = path.replace(/(.)\/+$/, '$1');

    if (flags.recursive) {
      if (uid !== undefined || gid !== undefined || mode !== undefined) {
        throw new UserError("Can't supply uid/gid/mode in recursive mode");
      }
      // What leads to the tree is made like the tree itself.
      const { mode: like } = localStat(sources[0] ?? '');
      if (flags['create-dirs']) await makeDirectories(client, instance, directory, { mode: like & 0o777 });
      for (const source of sources) {
        await pushTree(cli, client, instance, source, posix.join(directory, basename(resolve(source))));
      }
      return;
    }

    const meansDirectory = path.endsWith('/');
    if (sources.length > 1 && !meansDirectory) throw new UserError('Missing target directory');
    if (flags['create-dirs']) {
      await makeDirectories(client, instance, meansDirectory ? directory : posix.dirname(path), { uid, gid });
    }
    for (const source of sources) {
      const to = meansDirectory ? posix.join(directory, basename(source)) : path;
      if (source === '-') {
        await pushFile(client, instance, to, {
          type: 'file',
          content: process.stdin,
          uid: uid ?? 0,
          gid: gid ?? 0,
          mode: mode ?? fstatSync(0).mode & 0o777,
        });
        continue;
      }
      const stat = localStat(source);
      if (stat.isDirectory()) throw new UserError(`read ${source}: is a directory`);
      await sendFile(cli, client, instance, source, to, {
        uid: uid ?? stat.uid,
        gid: gid ?? stat.gid,
        mode: mode ?? stat.mode & 0o777,
      });
    }
  },
});

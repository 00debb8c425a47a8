import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { type Client, type InstanceFile, pullFile } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool } from '../../command/flags.ts';
import { progressLine } from '../../output/progress.ts';
import { saveTo } from '../common/raw.ts';
import { type InstancePath, instanceFile } from './target.ts';

const isDirectory = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

const saveFile = async (cli: Cli, file: InstanceFile & { type: 'file' }, from: string, to: string): Promise<void> => {
  const progress = to === '-' ? undefined : progressLine(cli.global.quiet, `Pulling ${to} from ${from}: %s`);
  await saveTo(file.content, to, progress, 0);
  if (to !== '-') chmodSync(to, file.mode & 0o777);
};

/** The file a chain of links ends at, for writing to the standard output. */
const followed = async (client: Client, instance: string, path: string): Promise<InstanceFile> => {
  let at = path;
  for (let links = 0; links < 40; links++) {
    const file = await pullFile(client, instance, at);
    if (file.type !== 'symlink') return file;
    at = posix.resolve(posix.dirname(at), file.target);
  }
  throw new UserError(`Too many symbolic links at ${path}`);
};

/** Copies a directory with everything in it below a local directory. */
const pullTree = async (cli: Cli, client: Client, instance: string, from: string, into: string): Promise<void> => {
  const file = await pullFile(client, instance, from);
  const to = join(into, basename(from));
  if (file.type === 'directory') {
    if (from !== '/') {
      mkdirSync(to, { recursive: true });
      chmodSync(to, file.mode & 0o777);
    }
    for (const name of file.entries) await pullTree(cli, client, instance, posix.join(from, name), to);
  } else if (file.type === 'symlink') {
    symlinkSync(file.target, to);
  } else {
    await saveFile(cli, file, from, to);
  }
};

const pullOne = async (cli: Cli, source: InstancePath, target: string, intoDirectory: boolean): Promise<void> => {
  const { client, instance, path } = source;
  const file = target === '-' ? await followed(client, instance, path) : await pullFile(client, instance, path);
  if (file.type === 'directory') throw new UserError("Can't pull a directory without --recursive");
  const to = intoDirectory ? join(target, basename(path)) : target;
  if (file.type === 'file') return saveFile(cli, file, path, to);
  if (existsSync(to) && lstatSync(to).isSymbolicLink() && !intoDirectory) rmSync(to);
  try {
    symlinkSync(file.target, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new UserError(`symlink ${file.target} ${to}: file exists`);
  }
};

export const filePull = command({
  use: '[<remote>:]<instance>/<path> [[<remote>:]<instance>/<path>...] <target path>',
  short: 'Pull files from instances',
  examples: `lxc file pull foo/etc/hosts .
   To pull /etc/hosts from the instance and write it to the current directory.`,
  args: [2, Number.POSITIVE_INFINITY],
  flags: {
    'create-dirs': bool('Create any directories necessary', { short: 'p' }),
    recursive: bool('Recursively transfer files', { short: 'r' }),
  },
  run: async (cli, { args, flags }) => {
    const sources = await Promise.all(args.slice(0, -1).map((text) => instanceFile(cli, text, 'source')));
    const target = args.at(-1) ?? '.';
    const meansDirectory = target.endsWith('/') || sources.length > 1;
    if (flags.recursive) {
      mkdirSync(target, { recursive: true });
      for (const { client, instance, path } of sources) {
        await pullTree(cli, client, instance, path.replace(/(.)\/+$/, '$1'), target);
      }
      return;
    }
    if (target !== '-' && (flags['create-dirs'] || target.endsWith('/'))) {
      mkdirSync(meansDirectory ? target : dirname(target), { recursive: true });
    }
    const intoDirectory = target !== '-' && isDirectory(target);
    if (target !== '-' && !intoDirectory && sources.length > 1) {
      throw new UserError('More than one file to download, but target is not a directory');
    }
    for (const source of sources) await pullOne(cli, source, target, intoDirectory);
  },
});

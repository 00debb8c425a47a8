import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uploadImage } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, list } from '../../command/flags.ts';
import { progressLine } from '../../output/progress.ts';
import { out } from '../../output/streams.ts';
import { operate } from '../common/operate.ts';
import { metered } from '../common/raw.ts';
import { properties } from '../common/values.ts';
import { requireFree } from './aliases.ts';

/** Packs a directory as a unified image; numeric owners, as they are on disk. */
const pack = (directory: string, into: string): string => {
  if (process.getuid?.() !== 0) throw new UserError('Must run as root to import from directory');
  const file = join(into, 'lxd_image.tar.gz');
  const { status, stderr, error } = spawnSync(
    'tar',
    ['-C', directory, '--numeric-owner', '--restrict', '--force-local', '--xattrs', '-czf', file, '.'],
    { encoding: 'utf8' },
  );
  if (error) throw error;
  if (status !== 0) throw new UserError(`tar failed: ${stderr.trim()}`);
  return file;
};

/** Whether a root file system is a VM's disk: qcow2 files begin with `QFI` and 0xfb. */
const isDisk = (path: string): boolean => {
  const head = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, 4, 0);
  } finally {
    closeSync(fd);
  }
  return head.equals(Buffer.from([0x51, 0x46, 0x49, 0xfb]));
};

/** The words sorted into files, remote and properties. */
const sort = (cli: Cli, words: readonly string[]) => {
  const rest = [...words];
  const pairs: string[] = [];
  while (rest.length > 1 && rest.at(-1)?.includes('=') && !existsSync(rest.at(-1) ?? ''))
    pairs.unshift(rest.pop() ?? '');
  const last = rest.at(-1) ?? '';
  const remote = rest.length > 1 && last.endsWith(':') && !existsSync(last) ? (rest.pop() ?? '') : '';
  const [image = '', rootfs, ...extra] = rest;
  if (extra.length > 0) throw new UserError(`Unexpected argument: ${extra[0]}`);
  return { image, rootfs, remote: cli.resource(remote).remote, properties: properties(pairs) };
};

const finish = async (
  cli: Cli,
  found: { metadata: Record<string, unknown> | null } | undefined,
  alias: (fingerprint: string) => Promise<void>,
): Promise<void> => {
  const fingerprint = found?.metadata?.fingerprint;
  if (typeof fingerprint !== 'string') throw new UserError('The server gave no fingerprint of the new image');
  await alias(fingerprint);
  if (!cli.global.quiet) out(`Image imported with fingerprint: ${fingerprint}\n`);
};

export const imageImport = command({
  use: '<tarball>|<directory>|<URL> [<rootfs tarball>] [<remote>:] [key=value...]',
  short: 'Import images into the image store',
  title: 'Import image into the image store',
  long: 'Directory import is only available on Linux and must be performed as root.',
  args: [1, Number.POSITIVE_INFINITY],
  flags: { alias: list('New aliases to add to the image'), public: bool('Make image public') },
  run: async (cli, { args, flags }) => {
    const { image, rootfs, remote, properties: props } = sort(cli, args);
    const client = await cli.server(remote);
    await requireFree(client, flags.alias);
    const setAliases = async (target: string): Promise<void> => {
      for (const name of flags.alias) await client.send('POST', ['images', 'aliases'], { name, target });
    };

    if (/^https?:\/\//.test(image)) {
      if (!image.startsWith('https://')) throw new UserError('Only https:// is supported for remote image import');
      const source = { type: 'url', mode: 'pull', protocol: 'direct', url: image };
      const body = { source, public: flags.public, properties: props };
      const ended = await operate(cli, client, 'POST', ['images'], body, { label: 'Importing the image: %s' });
      return finish(cli, ended, setAliases);
    }

    for (const path of [image, rootfs]) {
      if (path !== undefined && !existsSync(path)) throw new UserError(`open ${path}: no such file or directory`);
    }
    const temporary = mkdtempSync(join(tmpdir(), 'lxc_image_'));
    const progress = progressLine(cli.global.quiet, 'Transferring image: %s');
    try {
      const first = statSync(image).isDirectory() ? pack(image, temporary) : image;
      const total = statSync(first).size + (rootfs === undefined ? 0 : statSync(rootfs).size);
      const through = (source: import('node:stream').Readable) => source.pipe(metered(progress, total));
      const second = rootfs === undefined ? undefined : { path: rootfs, through };
      const ended = await uploadImage(client, [{ path: first, through }, second], {
        public: flags.public,
        properties: props,
        vm: rootfs !== undefined && isDisk(rootfs),
        onUpdate: progress?.operation,
      });
      progress?.done();
      await finish(cli, ended, setAliases);
    } finally {
      progress?.done();
      rmSync(temporary, { recursive: true, force: true });
    }
  },
});

import { closeSync, existsSync, openSync, readSync, renameSync } from 'node:fs';
import { ApiError, type Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { progressLine } from '../../output/progress.ts';
import { out } from '../../output/streams.ts';
import { operate } from './operate.ts';
import { meteredFile, openBody, saveTo } from './raw.ts';

/** A backup to be made on the server, fetched, and deleted there. */
export interface Export {
  /** The collection of backups. */
  segments: readonly string[];
  /** What the backup shall hold. */
  request: object;
  /** What it is a backup of: without a target the file is called `NAME.EXTENSION`. */
  name: string;
  /** The file to write; the empty text picks a name, `-` is the standard output. */
  target: string;
  label: string;
  /** What is made, for the error if the server will not: `Create instance backup`. */
  what: string;
}

const magic: [extension: string, bytes: number[]][] = [
  ['tar.gz', [0x1f, 0x8b]],
  ['tar.bz2', [0x42, 0x5a, 0x68]],
  ['tar.xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['tar.zst', [0x28, 0xb5, 0x2f, 0xfd]],
  ['tar.lzma', [0x5d, 0x00, 0x00]],
  ['squashfs', [0x68, 0x73, 0x71, 0x73]],
];

/** The ending of a file's name by how the file begins. */
const extensionOf = (path: string): string => {
  const head = Buffer.alloc(8);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  return magic.find(([, bytes]) => bytes.every((byte, index) => head[index] === byte))?.[0] ?? 'tar';
};

const day = 86_400_000;

/** Makes a backup on the server, writes it to a file, and removes it from the server again. */
export const exportBackup = async (cli: Cli, client: Client, wanted: Export): Promise<void> => {
  const { segments, request, name, target, label, what } = wanted;
  const expires = new Date(Date.now() + day).toISOString();
  const operation = await operate(
    cli,
    client,
    'POST',
    segments,
    { name: '', expires_at: expires, ...request },
    { label },
  ).catch((error) => {
    throw error instanceof ApiError ? new UserError(`${what}: ${error.message}`) : error;
  });
  const [url = ''] = operation?.resources?.backups ?? [];
  const backup = decodeURIComponent((url.split('?')[0] ?? '').split('/').pop() ?? '');
  if (backup === '') throw new UserError('The server did not say how it named the backup');

  // What it is compressed with is known once it is here.
  const file = target === '' ? `${name}.backup` : target;
  try {
    const reply = await openBody(client, [...segments, backup, 'export']);
    const progress = file === '-' ? undefined : progressLine(cli.global.quiet, 'Exporting the backup: %s');
    await saveTo(reply.body, file, progress, Number(reply.headers['content-length'] ?? 0));
  } finally {
    await operate(cli, client, 'DELETE', [...segments, backup]);
  }
  if (target === '') renameSync(file, `${name}.${extensionOf(file)}`);
  if (file !== '-' && !cli.global.quiet) out('Backup exported successfully!\n');
};

/** A backup file to be sent to the server. */
export interface Import {
  /** The collection it becomes a member of. */
  segments: readonly string[];
  file: string;
  headers: Record<string, string>;
  label: string;
}

/** Sends a backup file, from which the server makes what it holds. */
export const importBackup = async (cli: Cli, client: Client, wanted: Import): Promise<void> => {
  const { segments, file, headers, label } = wanted;
  if (file !== '-' && !existsSync(file)) throw new UserError(`open ${file}: no such file or directory`);
  const progress = progressLine(cli.global.quiet, label);
  const body = file === '-' ? process.stdin : meteredFile(file, progress);
  try {
    await operate(cli, client, 'POST', segments, body, { headers });
  } finally {
    progress?.done();
  }
};

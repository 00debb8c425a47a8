import type { Stats } from 'node:fs';
import { type PacketReader, text, uint32, uint64 } from './sftp-packets.ts';

const hasSize = 1;
const hasOwner = 2;
const hasMode = 4;
const hasTimes = 8;
const hasExtended = 0x8000_0000;

/** What a client sets of a file. */
export interface Attributes {
  readonly size?: number;
  /** Ids inside the instance. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits. */
  readonly mode?: number;
  /** Seconds since 1970. */
  readonly times?: { readonly accessed: number; readonly modified: number };
}

export const readAttributes = (fields: PacketReader): Attributes => {
  const flags = fields.uint32();
  const attributes = {
    ...(flags & hasSize ? { size: fields.uint64() } : {}),
    ...(flags & hasOwner ? { owner: { uid: fields.uint32(), gid: fields.uint32() } } : {}),
    ...(flags & hasMode ? { mode: fields.uint32() & 0o7777 } : {}),
    ...(flags & hasTimes ? { times: { accessed: fields.uint32(), modified: fields.uint32() } } : {}),
  };
  if (flags & hasExtended) {
    // Pairs of name and value; version 3 knows none.
    for (let left = fields.uint32(); left > 0; left--) {
      fields.bytes();
      fields.bytes();
    }
  }
  return attributes;
};

/** A file as its attributes are sent. `uid` and `gid` are those inside the instance. */
export type FileStats = Pick<Stats, 'size' | 'mode' | 'uid' | 'gid' | 'atimeMs' | 'mtimeMs' | 'nlink'>;

const seconds = (milliseconds: number): number => Math.max(0, Math.floor(milliseconds / 1000));

export const writeAttributes = (stats: FileStats): Buffer =>
  Buffer.concat([
    uint32(hasSize | hasOwner | hasMode | hasTimes),
    uint64(stats.size),
    uint32(stats.uid),
    uint32(stats.gid),
    uint32(stats.mode),
    uint32(seconds(stats.atimeMs)),
    uint32(seconds(stats.mtimeMs)),
  ]);

const typeLetters: Readonly<Record<number, string>> = {
  11: 's',
  9: 'l',
  7: '-',
  6: 'b',
  4: 'd',
  2: 'c',
  1: 'p',
};

/** Permissions as ls(1) shows them. */
const modeText = (mode: number): string => {
  const letters = [...'rwxrwxrwx'].map((letter, at) => (mode & (0o400 >> at) ? letter : '-'));
  const special = (bit: number, at: number, letter: string): void => {
    if (mode & bit) letters[at] = letters[at] === 'x' ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, 's');
  special(0o2000, 5, 's');
  special(0o1000, 8, 't');
  return `${typeLetters[mode >> 12] ?? '?'}${letters.join('')}`;
};

/** A directory entry as a line of `ls -l`, which clients show to people. */
const longName = (name: string, stats: FileStats): string => {
  const date = new Date(stats.mtimeMs).toUTCString();
  const [, day = '', month = '', year = '', time = ''] = date.split(' ');
  const recent = Math.abs(Date.now() - stats.mtimeMs) < 180 * 24 * 60 * 60 * 1000;
  const when = `${month} ${day} ${recent ? time.slice(0, 5) : ` ${year}`}`;
  const column = (value: number, width: number): string => String(value).padEnd(width);
  return `${modeText(stats.mode)} ${String(stats.nlink).padStart(4)} ${column(stats.uid, 8)} ${column(stats.gid, 8)} ${String(stats.size).padStart(8)} ${when} ${name}`;
};

/** An entry of a NAME packet. */
export const nameEntry = (name: string, stats?: FileStats): Buffer =>
  Buffer.concat([text(name), text(stats ? longName(name, stats) : name), stats ? writeAttributes(stats) : uint32(0)]);

/**
 * Keys as paths. A key is any text of up to 1024 bytes; `/` separates segments, each of which becomes a name in a directory:
 *
 * - An object is a file, named as its last segment (`%-` when that is empty); what comes before are directories, named with
 *   a `%` at the end. So `photos` and `photos/cat.jpg` are `photos` and `photos%/cat.jpg`, and stand beside each other.
 * - Bytes that a name cannot hold, `%`, control characters and a dot at the beginning are written as `%2E`: no name is `.`
 *   or `..` or leads anywhere else.
 * - A segment too long for a name is cut; the pieces before the last are directories with `%+` at the end.
 */
import { S3Error } from './errors.ts';

/** The longest key of S3, in bytes. */
const maxKeyBytes = 1024;
/** A segment is cut where its name reaches this many bytes: a name may have 255, and a character more and a suffix must fit. */
const cutAt = 196;

const emptyObject = '%-';

/** @throws S3Error KeyTooLongError, InvalidURI */
export const checkKey = (key: string): void => {
  if (!key.isWellFormed()) throw new S3Error('InvalidURI', 'The key is not valid Unicode.');
  if (Buffer.byteLength(key) > maxKeyBytes) throw new S3Error('KeyTooLongError');
};

const hex = (code: number): string => `%${code.toString(16).toUpperCase().padStart(2, '0')}`;

const encode = (character: string, first: boolean): string => {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x20 || code === 0x7f || character === '%' || character === '/' || (first && character === '.')
    ? hex(code)
    : character;
};

/** A segment as the names that stand for it: none, one or more pieces before the last, which may be empty. */
const pieces = (segment: string): string[] => {
  const cut: string[] = [];
  let name = '';
  for (const character of segment) {
    name += encode(character, name === '');
    if (Buffer.byteLength(name) >= cutAt) {
      cut.push(name);
      name = '';
    }
  }
  return [...cut, name];
};

/** The names that lead to a segment whose last name ends as `last` makes it. */
const namesOf = (segment: string, last: (name: string) => string): string[] => {
  const all = pieces(segment);
  return all.map((name, at) => (at === all.length - 1 ? last(name) : `${name}%+`));
};

/** The path of an object's file below the directory of objects, as names. */
export const objectNames = (key: string): string[] => {
  const segments = key.split('/');
  return segments.flatMap((segment, at) =>
    at < segments.length - 1 ? namesOf(segment, (name) => `${name}%`) : namesOf(segment, (name) => name || emptyObject),
  );
};

/** What a name in a directory stands for: the text that it adds to the key, and whether that is a whole one. */
export interface Named {
  readonly text: string;
  readonly object: boolean;
}

/** The inverse of `objectNames` for one name; undefined for what no key makes. */
export const parseName = (name: string, isDirectory: boolean): Named | undefined => {
  const decode = (encoded: string): string =>
    encoded.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  if (!isDirectory) {
    if (name === emptyObject) return { text: '', object: true };
    return /^(?!\.)(?:[^%]|%[0-9A-F]{2})+$/.test(name) ? { text: decode(name), object: true } : undefined;
  }
  const match = /^(?!\.)((?:[^%]|%[0-9A-F]{2})*)%(\+?)$/.exec(name);
  if (match?.[1] === undefined || (match[1] === '' && match[2] === '+')) return undefined;
  return { text: `${decode(match[1])}${match[2] === '+' ? '' : '/'}`, object: false };
};

/** Conditional requests (RFC 9110 §13, with S3's order of the conditions). */
import { S3Error } from './errors.ts';
import type { ObjectRecord } from './object-file.ts';
import type { Check } from './objects.ts';
import type { Target } from './target.ts';

const names = (header: string, etag: string): boolean =>
  header.split(',').some((one) => {
    const tag = one
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1');
    return tag === '*' || tag === etag;
  });

/** HTTP dates have whole seconds. */
const isAfter = (modified: number, header: string): boolean | undefined => {
  const time = Date.parse(header);
  return Number.isNaN(time) ? undefined : Math.trunc(modified / 1000) * 1000 > time;
};

/**
 * Checks an object that is asked for.
 *
 * @param prefix - of the headers' names: `` or `x-amz-copy-source-`
 * @throws S3Error PreconditionFailed, or NotModified (a PreconditionFailed for sources of copies)
 */
export const checkRead = (target: Target, { etag, modified }: ObjectRecord, prefix = ''): void => {
  const header = (name: string): string | undefined => target.header(`${prefix}${name}`);
  const [match, noneMatch] = [header('if-match'), header('if-none-match')];
  const [since, unmodified] = [header('if-modified-since'), header('if-unmodified-since')];
  if (match !== undefined ? !names(match, etag) : unmodified !== undefined && isAfter(modified, unmodified)) {
    throw new S3Error('PreconditionFailed');
  }
  if (noneMatch !== undefined ? names(noneMatch, etag) : since !== undefined && isAfter(modified, since) === false) {
    throw new S3Error(prefix === '' ? 'NotModified' : 'PreconditionFailed');
  }
};

/** The check of what a key holds before it is written: `If-None-Match: *`, `If-Match: "etag"`. */
export const writeCheck = (target: Target): Check | undefined => {
  const [match, noneMatch] = [target.header('if-match'), target.header('if-none-match')];
  if (noneMatch !== undefined && noneMatch !== '*') {
    throw new S3Error('NotImplemented', 'If-None-Match with anything but * is not implemented for writes.');
  }
  if (match === undefined && noneMatch === undefined) return undefined;
  return (before) => {
    if (match !== undefined && !before) throw new S3Error('NoSuchKey');
    if (before && (noneMatch !== undefined || (match !== undefined && !names(match, before.etag)))) {
      throw new S3Error('PreconditionFailed');
    }
  };
};

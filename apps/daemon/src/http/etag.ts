import { hash } from 'node:crypto';
import { preconditionFailed } from '@lxd-ts/driver-kit';

/** JSON with sorted keys, so that equal content gives equal text. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
};

/** The entity tag of an object: SHA-256 of its user-editable content, in hex (the header adds the quotes). */
export const etagOf = (editable: unknown): string => hash('sha256', canonical(editable));

/**
 * Checks the `If-Match` header of a change against what is stored.
 *
 * @param ifMatch - the header, with or without quotes; absent or empty passes
 * @throws LxdError precondition-failed
 */
export const checkIfMatch = (ifMatch: string | undefined, editable: unknown): void => {
  if (ifMatch === undefined || ifMatch === '') return;
  const wanted = ifMatch.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
  const actual = etagOf(editable);
  if (wanted !== '*' && wanted !== actual) {
    throw preconditionFailed(
      `ETag doesn't match: ${actual} vs ${wanted}. The object changed since it was read: read it again and repeat the change`,
    );
  }
};

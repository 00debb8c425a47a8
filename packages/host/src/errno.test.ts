import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errnoError, isErrno } from './errno.ts';

const failureOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

it('a system error is told by its code, whoever made it', () => {
  const missing = failureOf(() => readFileSync('/nowhere'));
  expect(isErrno(missing)).toBe(true);
  expect(isErrno(missing, 'EEXIST', 'ENOENT')).toBe(true);
  expect(isErrno(missing, 'EEXIST')).toBe(false);
  expect(isErrno(errnoError(122, 'write', '/f'), 'EDQUOT')).toBe(true);
  expect(isErrno(new Error('ENOENT'), 'ENOENT')).toBe(false);
});

it('one for which Node has no name is told by its number', () => {
  // What Node makes of a write beyond a quota.
  const code = 'Unknown system error -122';
  const error = Object.assign(new Error(`${code}: ${code}, write`), { errno: -122, code, syscall: 'write' });
  expect(isErrno(error, 'ENOSPC', 'EDQUOT')).toBe(true);
  expect(isErrno(error, 'ENOSPC')).toBe(false);
});

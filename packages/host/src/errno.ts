import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

/** A failed system call, shaped like Node's own: `code` is the errno name (`ENOENT`), `errno` its negative number. */
export interface ErrnoError extends Error {
  code: string;
  errno: number;
  syscall: string;
  path?: string;
}

/** Linux's own error numbers that Node's table leaves out (asm-generic/errno.h). */
const linuxOnly: Record<number, readonly [code: string, text: string]> = {
  5: ['EIO', 'input/output error'],
  43: ['EIDRM', 'identifier removed'],
  61: ['ENODATA', 'no data available'],
  95: ['EOPNOTSUPP', 'operation not supported'],
  122: ['EDQUOT', 'disk quota exceeded'],
  123: ['ENOMEDIUM', 'no medium found'],
};

/**
 * Makes the error of a failed system call.
 * @param errno the positive error number
 * @param syscall the call's name, for the message
 * @param path what it was applied to, for the message
 */
export function errnoError(errno: number, syscall: string, path?: string): ErrnoError {
  const [code, text] = linuxOnly[errno] ?? getSystemErrorMap().get(-errno) ?? [`E${errno}`, `system error ${errno}`];
  const error = new Error(`${code}: ${text}, ${syscall}${path === undefined ? '' : ` '${path}'`}`);
  return Object.assign(error, { code, errno: -errno, syscall, ...(path === undefined ? {} : { path }) });
}

/** Makes the error of a rule of our own in the same shape: `errnoNamed('ELOOP', 'open', 'a/b')`. */
export function errnoNamed(code: string, syscall: string, path?: string): ErrnoError {
  const errno = koffi.os.errno[code];
  if (errno === undefined) throw new TypeError(`unknown error code ${code}`);
  return errnoError(errno, syscall, path);
}

/** Says whether a thrown value is a system error with one of the codes (any system error when none is given). */
export function isErrno(error: unknown, ...codes: string[]): error is ErrnoError {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string' || !('errno' in error)) {
    return false;
  }
  return codes.length === 0 || codes.includes(error.code);
}

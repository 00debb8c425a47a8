import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

/** A failed system call, shaped like Node's own: `code` is the errno name (`ENOENT`), `errno` its negative number. */
export interface ErrnoError extends Error {
  code: string;
  errno: number;
  syscall: string;
  path?: string;
}

const names = new Map(Object.entries(koffi.os.errno).map(([name, errno]) => [errno, name]));
const strerror: (errno: number) => string = koffi.load(null).func('const char *strerror(int)');

function describe(errno: number): readonly [code: string, text: string] {
  // Node's table lacks many, and calls this one by a name that Linux documents do not use.
  const known = names.get(errno) === 'EOPNOTSUPP' ? undefined : getSystemErrorMap().get(-errno);
  return known ?? [names.get(errno) ?? `E${errno}`, strerror(errno).toLowerCase()];
}

/**
 * Makes the error of a failed system call.
 * @param errno the positive error number
 * @param syscall the call's name, for the message
 * @param path what it was applied to, for the message
 */
export function errnoError(errno: number, syscall: string, path?: string): ErrnoError {
  const [code, text] = describe(errno);
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
  if (codes.length === 0 || codes.includes(error.code)) return true;
  // Node has no name for some numbers (EDQUOT), and says "Unknown system error -122" for a code.
  return codes.includes(names.get(-Number(error.errno)) ?? '');
}

/**
 * The errors an operator can cause or meet. Drivers and services throw them; the HTTP layer alone turns
 * `kind` into a status code. The message is a whole sentence that says what is wrong and, where it can, what to do.
 */
export type ErrorKind =
  | 'bad-request' // 400: the input is wrong
  | 'forbidden' // 403: the caller may not
  | 'not-found' // 404
  | 'conflict' // 409: name taken, object busy or in use
  | 'precondition-failed' // 412: the object changed since it was read
  | 'internal' // 500: a bug or a failing host
  | 'not-implemented' // 501: this driver or host cannot
  | 'unavailable'; // 503: not ready, or shutting down

/** Marks errors of every copy of this package. */
const brand: unique symbol = Symbol.for('@lxd-ts/driver-kit LxdError');

/** An error with a kind. `cause` carries the underlying error for the log. */
export class LxdError extends Error {
  override readonly name: string = 'LxdError';
  readonly kind: ErrorKind;
  readonly [brand] = true;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

type Make = (message: string, options?: ErrorOptions) => LxdError;
const maker =
  (kind: ErrorKind): Make =>
  (message, options) =>
    new LxdError(kind, message, options);

export const badRequest: Make = maker('bad-request');
export const forbidden: Make = maker('forbidden');
export const notFound: Make = maker('not-found');
export const conflict: Make = maker('conflict');
export const preconditionFailed: Make = maker('precondition-failed');
export const internal: Make = maker('internal');
export const notImplemented: Make = maker('not-implemented');
export const unavailable: Make = maker('unavailable');

/**
 * Whether `error` is an LxdError of the given kind (of any kind when none is given), also one of another copy of this package:
 * a plug-in brings its own.
 */
export const isKind = (error: unknown, kind?: ErrorKind): error is LxdError =>
  error instanceof Error && brand in error && 'kind' in error && (kind === undefined || error.kind === kind);

/** The message of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The server answered a request with an error (spec 09 ENV-03). The message is the server's own sentence. */
export class ApiError extends Error {
  override name = 'ApiError';
  /** The HTTP status, e.g. 404. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** A background operation ended without success. The message is the operation's `err`. */
export class OperationError extends Error {
  override name = 'OperationError';
  /** The operation's final status code: 400 failed, 401 cancelled. */
  readonly statusCode: number;

  constructor(message: string, statusCode: number) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** The server could not be reached, or what answered was not an LXD server. */
export class ConnectionError extends Error {
  override name = 'ConnectionError';
  /** The system's error name, e.g. `ENOENT`, `ECONNREFUSED`; empty if there is none. */
  readonly code: string;

  constructor(message: string, code = '', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether an error says that an object is not there (404). */
export const isNotFound = (error: unknown): error is ApiError => error instanceof ApiError && error.status === 404;

/** Whether an error says that the object changed since it was read (412). */
export const isPreconditionFailed = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.status === 412;

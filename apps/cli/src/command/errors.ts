/** Something the user must know; printed as `Error: <message>` with exit status 1, without a stack. */
export class UserError extends Error {
  override name = 'UserError';
}

/** Ends the program with a status, after the command itself has said all there is to say. */
export class ExitStatus extends Error {
  override name = 'ExitStatus';
  readonly status: number;

  constructor(status: number) {
    super(`exit status ${status}`);
    this.status = status;
  }
}

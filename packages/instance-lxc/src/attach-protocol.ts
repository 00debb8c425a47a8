/** Messages between the driver and its attach server, over Node's channel to a child process. */

/** Starts a command. Descriptor numbers are those of the driver's process. */
export interface AttachRequest {
  readonly type: 'attach';
  readonly id: number;
  readonly lxcPath: string;
  readonly name: string;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly environment: readonly string[];
  readonly command: readonly string[];
  /** Standard input, output and error. */
  readonly streams: readonly [number, number, number];
  /** With a terminal: the path of the program inside, found beforehand. The streams are that terminal. */
  readonly terminalProgram?: string;
}

/** Sends a signal to a running command; one that has ended is no error. */
export interface SignalRequest {
  readonly type: 'signal';
  readonly id: number;
  readonly signal: number;
}

export type ServerRequest = AttachRequest | SignalRequest;

export type ServerReply =
  | { readonly type: 'started'; readonly id: number; readonly pid: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  /** The status as a shell gives it. */
  | { readonly type: 'exited'; readonly id: number; readonly status: number };

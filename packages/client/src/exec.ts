import type { Readable, Writable } from 'node:stream';
import type { InstanceExecPost } from '@lxd-ts/api';
import type { WebSocket } from 'ws';
import type { Client } from './client.ts';
import { readText } from './envelope.ts';
import { ConnectionError } from './errors.ts';
import type { Operation, OperationObject } from './operations.ts';
import { receiveInto, sendFrom } from './streams.ts';
import { openWebSocket } from './websocket.ts';

/** What to run, and as whom (spec 09 EXE-01); the rest of the request follows from how it is run. */
export type ExecRequest = Pick<InstanceExecPost, 'command'> &
  Partial<Pick<InstanceExecPost, 'environment' | 'user' | 'group' | 'cwd'>>;

/** Where the command's input comes from and its output goes. */
export interface ExecStreams {
  /** Without it the command reads an end of file at once. */
  stdin?: Readable | undefined;
  stdout: Writable;
  /** Not used when interactive: a terminal has one output. */
  stderr?: Writable;
}

export interface ExecOptions extends ExecStreams {
  /** Gives the command a terminal of this size (columns, rows); without it stdin, stdout and stderr are pipes. */
  terminal?: { width: number; height: number } | undefined;
  /** Called when the control channel is open, for window sizes and signals while the command runs. */
  onControl?: (control: Control) => void;
}

/** What can be told to a running command or console. */
export interface Control {
  resize(width: number, height: number): void;
  /** A Linux signal number. */
  signal(signal: number): void;
}

/** The secrets of a websocket operation by channel (spec 09 EXE-02). */
export const channelSecrets = (operation: OperationObject): Record<string, string> => {
  const fds = operation.metadata?.fds;
  if (typeof fds !== 'object' || fds === null) throw new ConnectionError('The operation offers no streams');
  // The API describes `fds` as a map of text to text.
  return fds as Record<string, string>;
};

/** Speaks the control protocol (spec 09 EXE-05) over an open socket. */
export const controlOver = (socket: WebSocket): Control => {
  const tell = (message: object): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  return {
    resize: (width, height) =>
      tell({ command: 'window-resize', args: { width: String(width), height: String(height) } }),
    signal: (signal) => tell({ command: 'signal', signal }),
  };
};

/** Opens one channel of a websocket operation. */
export const openChannel = (
  operation: Operation,
  name: string,
  listen: (socket: WebSocket) => void = () => undefined,
): Promise<WebSocket> => {
  const secret = channelSecrets(operation.object)[name];
  if (secret === undefined) throw new ConnectionError(`The operation offers no stream "${name}"`);
  return openWebSocket(operation.client.transport.endpoint, operation.streamPath(secret), listen);
};

/** The exit status in an ended exec operation (spec 09 EXE-04). */
export const exitStatus = (operation: OperationObject): number => {
  const status = operation.metadata?.return;
  if (typeof status !== 'number') throw new ConnectionError('The operation ended without an exit status');
  return status;
};

/**
 * Runs a command in an instance and connects its streams.
 *
 * @returns the command's exit status, after all its output was written
 */
export const exec = async (
  client: Client,
  instance: string,
  request: ExecRequest,
  options: ExecOptions,
): Promise<number> => {
  const { terminal, stdin, stdout, stderr, onControl } = options;
  const operation = await client.start('POST', ['instances', instance, 'exec'], {
    ...request,
    interactive: terminal !== undefined,
    'wait-for-websocket': true,
    'record-output': false,
    width: terminal?.width ?? 0,
    height: terminal?.height ?? 0,
  });
  if (operation === undefined) throw new ConnectionError('The server ran the command without an operation');

  const outputs: Promise<void>[] = [];
  const output = (sink: Writable) => (socket: WebSocket) => {
    outputs.push(receiveInto(socket, sink));
  };
  const control = openChannel(operation, 'control', (socket) => socket.on('error', () => undefined));
  const sockets = terminal
    ? [openChannel(operation, '0', output(stdout))]
    : [
        openChannel(operation, '0', (socket) => socket.on('error', () => undefined)),
        openChannel(operation, '1', output(stdout)),
        openChannel(operation, '2', output(stderr ?? stdout)),
      ];
  const [controlSocket, input, ...rest] = await Promise.all([control, ...sockets]);
  onControl?.(controlOver(controlSocket));
  if (input) {
    if (stdin) void sendFrom(input, stdin);
    else if (!terminal) input.send('');
  }
  // When the terminal has said all, the server waits until this side hangs up too.
  const printed = Promise.all(outputs).then(() => {
    if (terminal) input?.close();
  });
  try {
    const ended = await operation.wait();
    await printed;
    return exitStatus(ended);
  } finally {
    for (const socket of [controlSocket, input, ...rest]) socket?.terminate();
  }
};

/** A command that ran without streams; what it printed is kept on the server (spec 09 EXE-03). */
export interface RecordedExec {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a command with its input empty and its output recorded, and fetches what it printed. */
export const execRecorded = async (client: Client, instance: string, request: ExecRequest): Promise<RecordedExec> => {
  const operation = await client.start('POST', ['instances', instance, 'exec'], {
    ...request,
    interactive: false,
    'wait-for-websocket': false,
    'record-output': true,
  });
  if (operation === undefined) throw new ConnectionError('The server ran the command without an operation');
  const ended = await operation.wait();
  // The API describes `output` as a map of "1" and "2" to log URLs.
  const logs = (ended.metadata?.output ?? {}) as Record<string, string>;
  const fetchLog = async (url: string | undefined): Promise<string> => {
    if (url === undefined) return '';
    const separator = client.project === '' ? '' : `?project=${encodeURIComponent(client.project)}`;
    return readText((await client.raw('GET', `${url}${separator}`)).body);
  };
  const [stdout, stderr] = await Promise.all([fetchLog(logs['1']), fetchLog(logs['2'])]);
  return { status: exitStatus(ended), stdout, stderr };
};

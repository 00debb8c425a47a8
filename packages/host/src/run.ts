import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { CommandError } from './command-error.ts';
import { isErrno } from './errno.ts';
import { lineSplitter } from './lines.ts';
import { inNetNamespace, type NetNamespace } from './net-namespace.ts';

/** An argument vector; the first is the program. Never passed through a shell. */
export type Argv = readonly [string, ...string[]];

/** What can be set for any process that is started. */
export interface ProcessOptions {
  /** Working directory. */
  cwd?: string;
  /** Variables added to this process's own; `undefined` removes one. `LC_ALL=C.UTF-8` is set so that output can be parsed. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Ends the process (SIGTERM, SIGKILL after two seconds); the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  uid?: number;
  gid?: number;
  /** The network namespace to start it in, instead of this process's. */
  netNamespace?: NetNamespace;
  /** The Debian package that brings the program, named in the error when it is missing. */
  debianPackage?: string;
}

export interface RunOptions extends ProcessOptions {
  /** Written to standard input, which is empty otherwise. A number is a file descriptor to read from. */
  input?: string | Uint8Array | Readable | number;
  /** Where standard output goes: kept for the result (default), dropped, or to a file descriptor. */
  stdout?: 'capture' | 'ignore' | number;
  /** Called with each line as it arrives, without its line end; a carriage return ends a line too (progress meters). */
  onStdout?: (line: string) => void;
  onStderr?: (line: string) => void;
}

export interface RunResult {
  stdout: string;
  stderr: string;
}

const KILL_AFTER_MS = 2000;

/** Starts a program with the options that all ways of starting share. */
export function startProcess(argv: Argv, options: ProcessOptions, stdio: StdioOptions): ChildProcess {
  const [program, ...args] = argv;
  const { cwd, uid, gid, netNamespace } = options;
  const env = { ...process.env, LC_ALL: 'C.UTF-8', ...options.env };
  const start = () => spawn(program, args, { cwd, env, uid, gid, stdio });
  // A child begins in the namespace of the thread that forks it.
  return netNamespace === undefined ? start() : inNetNamespace(netNamespace, start);
}

/** The error of a program that could not be executed. */
export function notStarted(argv: Argv, cause: Error, { cwd, debianPackage }: ProcessOptions): CommandError {
  const hint = debianPackage === undefined ? '' : ` (Debian package ${debianPackage})`;
  const missing = cwd !== undefined && !existsSync(cwd) ? `no directory ${cwd} to work in` : `not found${hint}`;
  const reason = isErrno(cause, 'ENOENT') ? missing : cause.message;
  return new CommandError({ argv, exitCode: null, signal: null, reason, cause });
}

/** Ends the child when the signal fires; returns the function that stops watching. */
export function killOnAbort(child: ChildProcess, signal: AbortSignal | undefined): () => void {
  if (!signal) return () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const abort = () => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  };
  signal.addEventListener('abort', abort, { once: true });
  return () => {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  };
}

function feed(child: ChildProcess, input: RunOptions['input']): void {
  const { stdin } = child;
  if (!stdin) return;
  // A program may end without reading its input; its exit status says whether that was an error.
  stdin.on('error', () => stdin.destroy());
  if (input instanceof Readable) {
    input.on('error', (error) => stdin.destroy(error));
    input.pipe(stdin);
  } else if (typeof input !== 'number') {
    stdin.end(input);
  }
}

/**
 * Runs a program to its end.
 *
 * @returns what it wrote, decoded as UTF-8 (`stdout` is empty unless captured)
 * @throws CommandError when it cannot be started, exits with a status other than 0, or is killed
 * @throws the signal's reason after an abort, once the process is gone
 */
export async function run(argv: Argv, options: RunOptions = {}): Promise<RunResult> {
  const { input, signal } = options;
  signal?.throwIfAborted();
  const child = startProcess(argv, options, [
    typeof input === 'number' ? input : input === undefined ? 'ignore' : 'pipe',
    options.stdout === 'capture' || options.stdout === undefined ? 'pipe' : options.stdout,
    'pipe',
  ]);
  const stopWatching = killOnAbort(child, signal);
  const captured = { stdout: '', stderr: '' };
  for (const [name, onLine] of [['stdout', options.onStdout] as const, ['stderr', options.onStderr] as const]) {
    const lines = onLine && lineSplitter(onLine);
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      captured[name] += text;
      lines?.push(text);
    });
    if (lines) child[name]?.on('end', () => lines.end());
  }
  feed(child, input);
  try {
    const [exitCode, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.on('error', (error) => {
        // 'error' also reports a failed kill of a running child, whose end still comes with 'close'.
        if (child.pid === undefined) reject(notStarted(argv, error, options));
      });
      child.on('close', (...end) => resolve(end));
    });
    if (input instanceof Readable && input.errored) throw input.errored;
    if (exitCode === 0) return captured;
    signal?.throwIfAborted();
    throw new CommandError({ argv, exitCode, signal: killedBy, ...captured });
  } finally {
    stopWatching();
  }
}

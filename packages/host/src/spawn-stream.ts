import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { CommandError } from './command-error.ts';
import { type Argv, killOnAbort, notStarted, type ProcessOptions, startProcess } from './run.ts';
import { O_CLOEXEC, pipe2 } from './syscalls.ts';

export interface SpawnStreamOptions extends ProcessOptions {
  /** Standard input of the first program: nothing (default), a stream of ours, or a file descriptor (not closed here). */
  stdin?: 'ignore' | 'pipe' | number;
  /** Standard output of the last program: dropped, a stream of ours (default), or a file descriptor (not closed here). */
  stdout?: 'ignore' | 'pipe' | number;
  /** Called with pieces of what any of the programs writes to standard error. */
  onStderr?: (text: string) => void;
}

export interface SpawnedStream {
  /** Present when `stdin` was 'pipe'. The caller ends it. */
  stdin: Writable | null;
  /** Present when `stdout` was 'pipe'. The caller reads it to its end, or destroys it. */
  stdout: Readable | null;
  /** Settles when every program is gone; rejects with the CommandError of the one that caused the failure. */
  done: Promise<void>;
}

interface End {
  argv: Argv;
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  startError?: Error;
}

const STDERR_KEPT = 16 * 1024;

function kernelPipe(): { read: number; write: number } {
  const fds = Buffer.alloc(8);
  pipe2(fds, O_CLOEXEC);
  return { read: fds.readInt32LE(0), write: fds.readInt32LE(4) };
}

function watch(child: ChildProcess, argv: Argv, options: SpawnStreamOptions): Promise<End> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
    options.onStderr?.(text);
  });
  const stopWatching = killOnAbort(child, options.signal);
  return new Promise<End>((resolve) => {
    child.on('error', (startError) => {
      if (child.pid === undefined) resolve({ argv, exitCode: null, signal: null, stderr, startError });
    });
    // 'exit', not 'close': the caller's own reading of stdout must not be waited for here.
    child.on('exit', (exitCode, signal) => {
      if (!child.stderr || child.stderr.readableEnded) resolve({ argv, exitCode, signal, stderr });
      else child.stderr.once('close', () => resolve({ argv, exitCode, signal, stderr }));
    });
  }).finally(stopWatching);
}

/** The end that explains the others: one that could not start, then one that failed by itself and not by a broken pipe. */
function culprit(ends: readonly End[]): End | undefined {
  const failed = ends.filter((end) => end.exitCode !== 0);
  return failed.find((end) => end.startError) ?? failed.find((end) => end.signal !== 'SIGPIPE') ?? failed[0];
}

/**
 * Starts programs that are connected by kernel pipes (`tar | zstd`), so that no byte between them passes through here.
 * All are waited for, also after an abort, so that no zombie is left.
 *
 * @param commands one argument vector each, in the order of the data
 */
export function spawnStream(commands: readonly [Argv, ...Argv[]], options: SpawnStreamOptions = {}): SpawnedStream {
  options.signal?.throwIfAborted();
  const children: ChildProcess[] = [];
  const ends: Promise<End>[] = [];
  let upstream: number | undefined;
  const start = (argv: Argv, index: number) => {
    const pipe = index < commands.length - 1 ? kernelPipe() : undefined;
    const input = upstream;
    upstream = pipe?.read;
    try {
      const from = input ?? options.stdin ?? 'ignore';
      const child = startProcess(argv, options, [from, pipe?.write ?? options.stdout ?? 'pipe', 'pipe']);
      children.push(child);
      ends.push(watch(child, argv, options));
    } finally {
      if (input !== undefined) closeSync(input);
      if (pipe) closeSync(pipe.write);
    }
  };
  try {
    commands.forEach(start);
  } catch (error) {
    // A refused argument (a NUL byte): the programs before it see their pipe break.
    if (upstream !== undefined) closeSync(upstream);
    for (const child of children) child.kill();
    throw error;
  }
  const done = Promise.all(ends).then((all) => {
    const end = culprit(all);
    if (!end) return;
    options.signal?.throwIfAborted();
    if (end.startError) throw notStarted(end.argv, end.startError, options);
    throw new CommandError(end);
  });
  // A caller busy with the streams looks at `done` later: a failure until then is not an unhandled one.
  done.catch(() => undefined);
  const stdin = children[0]?.stdin ?? null;
  // A program may end without reading all of its input; `done` tells whether that was an error.
  stdin?.on('error', () => stdin.destroy());
  return { stdin, stdout: children.at(-1)?.stdout ?? null, done };
}

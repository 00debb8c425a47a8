import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { PassThrough, Writable } from 'node:stream';
import { type ExecRequest, type ExecSession, internal, type Work } from '@lxd-ts/driver-kit';
import { spawn as spawnTerminal } from 'node-pty';
import type { Place } from './place.ts';
import { toolOptions } from './start.ts';

const attachArguments = (place: Place, request: ExecRequest): string[] => [
  ...toolOptions(place),
  '-q',
  '--clear-env',
  `--uid=${request.uid}`,
  `--gid=${request.gid}`,
  ...Object.entries(request.environment).map(([name, value]) => `--set-var=${name}=${value}`),
  '--',
  ...request.command,
];

/** The command's own process: the only child of lxc-attach. */
const commandOf = (pid: number): number => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  return children[0] || pid;
};

const status = (code: number | null, signal: NodeJS.Signals | null): number =>
  signal === null ? (code ?? 1) : 128 + constants.signals[signal];

export const execInContainer = async (place: Place, request: ExecRequest, work: Work = {}): Promise<ExecSession> => {
  const argv = attachArguments(place, request);
  if (request.terminal) {
    const { width, height } = request.terminal;
    const terminal = spawnTerminal('lxc-attach', argv, { cols: width, rows: height, cwd: request.cwd, encoding: null });
    const stdout = new PassThrough();
    terminal.onData((data) => stdout.write(data));
    const exit = new Promise<number>((resolve) =>
      terminal.onExit(({ exitCode, signal }) => {
        stdout.end();
        resolve(signal ? 128 + signal : exitCode);
      }),
    );
    work.signal?.addEventListener('abort', () => terminal.kill('SIGKILL'), { once: true });
    return {
      stdin: new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          terminal.write(chunk);
          done();
        },
      }),
      stdout,
      pid: terminal.pid,
      signal: (number) => void process.kill(commandOf(terminal.pid), number),
      resize: (columns, rows) => terminal.resize(columns, rows),
      exit,
    };
  }
  const child = spawn('lxc-attach', argv, { cwd: request.cwd, stdio: 'pipe', ...work });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw internal('lxc-attach did not start');
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    pid,
    signal: (number) => void process.kill(commandOf(pid), number),
    resize: () => undefined,
    exit: new Promise((resolve) => child.once('exit', (code, signal) => resolve(status(code, signal)))),
  };
};

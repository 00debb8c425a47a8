import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patience } from './patience.ts';

/** How a command ended and what it said. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Written to its standard input, which is otherwise empty. */
  readonly input?: string | Buffer;
  readonly cwd?: string;
  /** Milliseconds after which it is killed and the call fails; one minute when not given. */
  readonly timeout?: number;
}

/** A file with this content, open for reading and without a name. Node's own pipes are sockets, which /dev/stdin cannot open. */
const openedWith = (content: string | Buffer): number => {
  const folder = mkdtempSync(join(tmpdir(), 'input-'));
  const path = join(folder, 'input');
  writeFileSync(path, content);
  const descriptor = openSync(path, 'r');
  rmSync(folder, { recursive: true });
  return descriptor;
};

/** A command took longer than its timeout. */
export class CommandTimeout extends Error {}

/**
 * Runs a command to its end.
 *
 * @throws CommandTimeout; Error when it cannot be started
 */
export const output = (
  command: readonly string[],
  { env = process.env, input, cwd, timeout = 60_000 * patience }: CommandOptions = {},
): Promise<Output> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = command;
    const stdin = input === undefined ? 'ignore' : openedWith(input);
    const options: SpawnOptions = { env, stdio: [stdin, 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) };
    const child = spawn(program, args, options);
    if (stdin !== 'ignore') closeSync(stdin);
    const said = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said.stderr += text;
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new CommandTimeout(`${command.join(' ')} took longer than ${timeout} ms\n${said.stdout}${said.stderr}`));
    }, timeout);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? (signal === null ? -1 : 128), ...said });
    });
  });

/**
 * Like `output`, for commands that must succeed; hands back what they wrote to standard output.
 *
 * @throws Error with what the command said when it fails
 */
export const succeed = async (command: readonly string[], options: CommandOptions = {}): Promise<string> => {
  const { code, stdout, stderr } = await output(command, options);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
};

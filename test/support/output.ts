import { type SpawnOptions, spawn } from 'node:child_process';

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

/** A command took longer than its timeout. */
export class CommandTimeout extends Error {}

/**
 * Runs a command to its end.
 *
 * @throws CommandTimeout; Error when it cannot be started
 */
export const output = (
  command: readonly string[],
  { env = process.env, input, cwd, timeout = 60_000 }: CommandOptions = {},
): Promise<Output> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = command;
    const options: SpawnOptions = { env, stdio: ['pipe', 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) };
    const child = spawn(program, args, options);
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
    // A command that does not read its input may be gone before all of it is written.
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') reject(error);
    });
    child.stdin?.end(input);
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

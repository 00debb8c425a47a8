import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** What a program printed, and how it ended. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

const main = new URL('../main.ts', import.meta.url).pathname;

/** The command that runs this client from its sources. */
export const ours: readonly string[] = [process.execPath, '--conditions=lxd-ts-source', main];

/** Runs a client with the given input and nothing in its environment but what is given. */
export const runLxc = async (
  client: readonly string[],
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input = '',
): Promise<Output> => {
  const [program = '', ...first] = client;
  const child = spawn(program, [...first, ...args], { env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...env } });
  // A client that does not read its input may be gone before it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: Number(code), stdout, stderr };
};

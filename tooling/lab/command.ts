/** Runs programs for the lab, so that nothing of them outlives this process. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export interface Outcome {
  readonly code: number;
  /** Standard output and error, as they came. */
  readonly output: string;
}

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`,
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
});

/** Runs a program to its end. */
export const runQuietly = ([program = '', ...args]: readonly string[]): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 128, output }));
  });

/**
 * The command in namespaces of its own for mounts and processes: both end with it, and it ends when its parent does.
 * It finds /proc of its process namespace mounted.
 */
export const contained = (command: readonly string[]): string[] => [
  ...['setpriv', '--pdeathsig', 'KILL'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...command,
];

/**
 * Runs a program that must succeed and adds its output to a file.
 *
 * @throws Error that names the program and the file
 */
export const runLogged = async ([program = '', ...args]: readonly string[], log: string): Promise<void> => {
  const sink = openSync(log, 'a');
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn(program, args, { env: environment(), stdio: ['ignore', sink, sink] });
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 128));
  }).finally(() => closeSync(sink));
  if (code !== 0) throw new Error(`${[program, ...args].join(' ')} ended with ${code}; its output is in ${log}`);
};

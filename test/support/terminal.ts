/** Programs that ask on a terminal, driven by tests. */
import { spawn } from 'node:child_process';

export interface Conversation {
  /** All that stood on the terminal, the answers included, with plain line ends. */
  readonly said: string;
  readonly code: number;
}

/** One more answer: what to type, or something to do first that hands it back. */
export type Answer = string | (() => Promise<string>);

/** A word of a shell's command line, whatever it holds. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * Runs a program on a terminal and types an answer whenever it waits at `: `. Programs that go on asking are killed.
 *
 * @param seconds - how long each answer may take
 */
export const converse = (
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  answers: readonly Answer[],
  seconds = 30,
): Promise<Conversation> =>
  new Promise((resolve, reject) => {
    const line = `stty cols 250 rows 50; exec ${command.map(quoted).join(' ')}`;
    const terminal = spawn('script', ['-qefc', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    terminal.once('error', reject);
    const left = [...answers];
    let said = '';
    let answered = 0;
    const late = (): void => {
      terminal.kill('SIGKILL');
      reject(new Error(`${command.join(' ')} did not go on within ${seconds} s:\n${said}`));
    };
    let timer = setTimeout(late, seconds * 1000);
    const answer = async (next: Answer): Promise<void> => {
      terminal.stdin.write(`${typeof next === 'string' ? next : await next()}\r`);
      clearTimeout(timer);
      timer = setTimeout(late, seconds * 1000);
    };
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (!/: $/.test(said) || said.length === answered) return;
      answered = said.length;
      const next = left.shift();
      if (next === undefined) terminal.kill('SIGKILL');
      else answer(next).catch(reject);
    });
    terminal.once('close', (code) => {
      clearTimeout(timer);
      resolve({ said: said.replaceAll('\r\n', '\n'), code: code ?? 1 });
    });
  });

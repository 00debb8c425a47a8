/** Programs that ask on a terminal, driven by tests. */
import { spawn } from 'node-pty';

export interface Conversation {
  /** All that stood on the terminal, the answers included, with plain line ends. */
  readonly said: string;
  readonly code: number;
}

/** One more answer: what to type, or something to do first that hands it back. */
export type Answer = string | (() => Promise<string>);

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
    const [program = '', ...args] = command;
    const terminal = spawn(program, args, { env, cols: 250, rows: 50 });
    const left = [...answers];
    let said = '';
    let answered = 0;
    const late = (): void => {
      terminal.kill('SIGKILL');
      reject(new Error(`${command.join(' ')} did not go on within ${seconds} s:\n${said}`));
    };
    let timer = setTimeout(late, seconds * 1000);
    const answer = async (next: Answer): Promise<void> => {
      terminal.write(`${typeof next === 'string' ? next : await next()}\r`);
      clearTimeout(timer);
      timer = setTimeout(late, seconds * 1000);
    };
    terminal.onData((text) => {
      said += text;
      if (!/: $/.test(said) || said.length === answered) return;
      answered = said.length;
      const next = left.shift();
      if (next === undefined) terminal.kill('SIGKILL');
      else answer(next).catch(reject);
    });
    terminal.onExit(({ exitCode }) => {
      clearTimeout(timer);
      resolve({ said: said.replaceAll('\r\n', '\n'), code: exitCode });
    });
  });

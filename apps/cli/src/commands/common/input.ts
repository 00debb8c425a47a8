import { readFileSync, readSync } from 'node:fs';
import { isatty } from 'node:tty';
import { UserError } from '../../command/errors.ts';
import { err, out } from '../../output/streams.ts';

/** Whether someone sits at the standard input. */
export const isInteractive = (): boolean => isatty(0);

/** All of the standard input as text. */
export const readStdin = (): string => readFileSync(0, 'utf8');

/** The standard input if it is piped in, `undefined` at a terminal. */
export const pipedStdin = (): string | undefined => (isInteractive() ? undefined : readStdin());

/** One line of the standard input, without its end. Throws UserError at the end of the input. */
export const readLine = (): string => {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  for (;;) {
    const read = readSync(0, one, 0, 1, null);
    if (read === 0 && bytes.length === 0) throw new UserError('EOF');
    if (read === 0 || one[0] === 0x0a) return Buffer.from(bytes).toString('utf8').replace(/\r$/, '');
    bytes.push(one[0] ?? 0);
  }
};

/** Asks a question and reads the answer. */
export const ask = (question: string): string => {
  out(question);
  return readLine().trim();
};

/** Asks until the answer is yes or no; an empty answer is the one given. */
export const askYesNo = (question: string, otherwise: boolean): boolean => {
  for (;;) {
    const answer = ask(question).toLowerCase();
    if (answer === '') return otherwise;
    if (answer === 'yes' || answer === 'y') return true;
    if (answer === 'no' || answer === 'n') return false;
    err('Invalid input, try again.\n\n');
  }
};

/** Asks for a secret; at a terminal what is typed is not shown. */
export const askSecret = async (question: string): Promise<string> => {
  out(question);
  if (!isInteractive()) return readLine();
  const { ReadStream } = process.getBuiltinModule('node:tty');
  const terminal = new ReadStream(0);
  terminal.setRawMode(true);
  try {
    let typed = '';
    for await (const chunk of terminal) {
      for (const char of String(chunk)) {
        if (char === '\r' || char === '\n') return typed;
        if (char === '\u0003') throw new UserError('Interrupted');
        typed = char === '\u007f' || char === '\b' ? typed.slice(0, -1) : typed + char;
      }
    }
    return typed;
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    out('\n');
  }
};

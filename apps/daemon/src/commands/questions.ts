import { createInterface, type Interface } from 'node:readline/promises';

/** Asks on the terminal; an empty answer takes the default, a wrong one is asked again. */
export interface Questions extends Disposable {
  /**
   * @param fallback - the default; without one an empty answer is an answer
   * @param check - says what is wrong with an answer, if anything
   */
  text(question: string, fallback: string | undefined, check?: (answer: string) => string | undefined): Promise<string>;
  yes(question: string, fallback: boolean): Promise<boolean>;
  choice(question: string, choices: readonly string[], fallback?: string): Promise<string>;
}

export const askOnTerminal = (): Questions => {
  // The terminal edits lines itself, as for LXD's own questions.
  const terminal: Interface = createInterface({ input: process.stdin, output: process.stdout, terminal: false });
  // Input that ends in the middle of the questions ends the program like an interrupt.
  const ended = new AbortController();
  terminal.on('close', () => ended.abort(new Error('The input ended before all questions were answered')));

  const ask = async (question: string, fallback: string | undefined): Promise<string> => {
    const hint = fallback === undefined ? '' : ` [default=${fallback}]`;
    const answer = await terminal.question(`${question}${hint}: `, { signal: ended.signal });
    return answer.trim() || (fallback ?? '');
  };

  const text: Questions['text'] = async (question, fallback, check) => {
    for (;;) {
      const answer = await ask(question, fallback);
      const problem = check?.(answer);
      if (problem === undefined) return answer;
      process.stdout.write(`Invalid input: ${problem}\n\n`);
    }
  };

  return {
    text,
    async yes(question, fallback) {
      for (;;) {
        const answer = await ask(`${question} (yes/no)`, fallback ? 'yes' : 'no');
        if (/^(y|yes|n|no)$/i.test(answer)) return /^y/i.test(answer);
        process.stdout.write('Invalid input, try again.\n\n');
      }
    },
    choice: (question, choices, fallback) =>
      text(`${question} (${choices.join(', ')})`, fallback, (given) =>
        choices.includes(given) ? undefined : `Invalid value "${given}" (not one of [${choices.join(' ')}])`,
      ),
    [Symbol.dispose]: () => terminal.close(),
  };
};

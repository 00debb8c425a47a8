import { createInterface, type Interface } from 'node:readline/promises';

/** Asks on the terminal; an empty answer takes the default, a wrong one is asked again. */
export interface Questions extends Disposable {
  /** @param check - says what is wrong with an answer, if anything */
  text(question: string, fallback: string, check?: (answer: string) => string | undefined): Promise<string>;
  yes(question: string, fallback: boolean): Promise<boolean>;
  choice(question: string, choices: readonly string[], fallback: string): Promise<string>;
}

export const askOnTerminal = (): Questions => {
  const terminal: Interface = createInterface({ input: process.stdin, output: process.stdout });
  // Input that ends in the middle of the questions ends the program like an interrupt.
  const ended = new AbortController();
  terminal.on('close', () => ended.abort(new Error('The input ended before all questions were answered')));

  const text: Questions['text'] = async (question, fallback, check) => {
    for (;;) {
      const answer =
        (await terminal.question(`${question} [default=${fallback}]: `, { signal: ended.signal })).trim() || fallback;
      const problem = check?.(answer);
      if (problem === undefined) return answer;
      process.stdout.write(`Invalid input: ${problem}\n\n`);
    }
  };

  return {
    text,
    async yes(question, fallback) {
      const word = fallback ? 'yes' : 'no';
      const answer = await text(`${question} (yes/no)`, word, (given) =>
        /^(y|yes|n|no)$/i.test(given) ? undefined : 'answer yes or no',
      );
      return /^y/i.test(answer);
    },
    choice: (question, choices, fallback) =>
      text(`${question} (${choices.join(', ')})`, fallback, (given) =>
        choices.includes(given) ? undefined : `use one of ${choices.join(', ')}`,
      ),
    [Symbol.dispose]: () => terminal.close(),
  };
};

import { setTimeout as sleep } from 'node:timers/promises';
import { patience } from './patience.ts';

/**
 * Repeats a question until the answer is good, and hands it back.
 *
 * @throws Error with the last answer when `timeout` milliseconds pass
 */
export const eventually = async <Answer>(
  ask: () => Promise<Answer>,
  isGood: (answer: Answer) => boolean,
  timeout = 20_000 * patience,
): Promise<Answer> => {
  const deadline = Date.now() + timeout;
  for (;;) {
    const answer = await ask();
    if (isGood(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`Not within ${timeout} ms; the last answer was ${JSON.stringify(answer)}`);
    await sleep(50);
  }
};

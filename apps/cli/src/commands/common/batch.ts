import { UserError } from '../../command/errors.ts';
import { err } from '../../output/streams.ts';

/**
 * Does the same to several things at once. A single failure speaks for itself; of several things each that failed is
 * named on a line of its own.
 *
 * @param failed - the sentence that ends the program when some of several failed
 */
export const batch = async (
  names: readonly string[],
  failed: string,
  act: (name: string) => Promise<void>,
): Promise<void> => {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return act(only);
  const results = await Promise.allSettled(names.map(act));
  const problems = results.flatMap((result, index) =>
    result.status === 'rejected' ? [{ name: names[index] ?? '', reason: result.reason }] : [],
  );
  if (problems.length === 0) return;
  for (const { name, reason } of problems) {
    const [first = '', ...more] = String(reason instanceof Error ? reason.message : reason).split('\n');
    err([`${name}: error: ${first}`, ...more.map((line) => `${name}: ${line}`), ''].join('\n'));
  }
  err('\n');
  throw new UserError(failed);
};

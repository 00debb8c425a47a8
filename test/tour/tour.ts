import type { Programs } from '../support/lxd.ts';
import type { Output } from '../support/output.ts';
import { startInitialised } from '../support/preseed.ts';
import { compare, type Difference } from './compare.ts';
import type { Step } from './step.ts';
import { tour } from './steps.ts';
import { makeTarget, take } from './target.ts';

/** What each step said, by number and command line. */
export type Account = ReadonlyMap<string, { readonly step: Step; readonly said: Output }>;

/**
 * Takes the whole tour on a fresh LXD.
 *
 * @param daemon - whose daemon
 * @param client - whose client
 * @param sections - only these; all when empty
 * @param report - called after each step
 */
export const takeTour = async (
  daemon: Programs,
  client: Programs,
  sections: readonly string[] = [],
  report?: (step: string, milliseconds: number) => void,
): Promise<Account> => {
  await using lxd = await startInitialised(daemon);
  const target = makeTarget(lxd, client.lxc);
  const account = new Map<string, { step: Step; said: Output }>();
  for (const [section, steps] of Object.entries(tour)) {
    if (sections.length > 0 && !sections.includes(section)) continue;
    for (const [n, step] of steps.entries()) {
      const started = performance.now();
      const name = `${section} ${n + 1}: lxc ${step.run}`;
      account.set(name, { step, said: await take(target, step) });
      report?.(name, performance.now() - started);
    }
  }
  return account;
};

/** All differences between two accounts of the same steps. */
export const differencesOf = (expected: Account, found: Account): Difference[] =>
  [...expected].flatMap(([name, { step, said }]) => {
    const other = found.get(name);
    if (!other) throw new Error(`The other account lacks the step "${name}"`);
    return compare(name, said, other.said, {
      unordered: step.unordered ?? false,
      terminal: step.terminal !== undefined,
    });
  });

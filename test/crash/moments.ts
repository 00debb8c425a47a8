/** Kills the daemon in the midst of what it does, again and again, and looks at what that leaves. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lxd } from '../support/lxd.ts';
import { randomFrom } from './random.ts';

/** Moments for each kind of operation: LXD_TS_TEST_KILLS. */
export const moments = Number(process.env.LXD_TS_TEST_KILLS ?? 5);
/** The seed makes the moments of a failed run come back: LXD_TS_TEST_SEED. */
export const seed = Number(process.env.LXD_TS_TEST_SEED ?? Date.now() % 1_000_000);

/** Something in the midst of which the daemon may die. */
export interface Action {
  /** Makes what it needs. */
  readonly prepare?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  /** Whether it has been done: then it is not done again. Undefined: that does not show, and it is done again. */
  readonly done?: () => Promise<boolean>;
  /** Takes away what it made. */
  readonly clear?: () => Promise<unknown>;
}

export interface Killing {
  /** The places in which it is done by turns: names of pools. */
  readonly places: readonly string[];
  /** What can be done in a place, by kind. */
  readonly actions: (place: string) => Readonly<Record<string, Action>>;
  readonly kind: string;
  /** Everything that does not fit together, as sentences. */
  readonly faults: () => Promise<readonly string[]>;
}

/** How long a test with that many moments may take, in milliseconds. */
export const timeout = (moments + 2) * 30_000;

/** Kills the daemon so many milliseconds after something was begun, and starts it again. @returns whether it had been acknowledged */
export const killDuring = async (lxd: Lxd, run: () => Promise<unknown>, delay: number): Promise<boolean> => {
  const ended = run().then(
    () => true,
    () => false,
  );
  const acknowledged = await Promise.race([ended, sleep(delay).then(() => false)]);
  await lxd.kill();
  await ended;
  await lxd.start();
  return acknowledged;
};

/**
 * Does something once in each place, to see that it works and how long it takes; then again and again, each time killing the daemon
 * at a random moment, starting it, looking for faults, and doing it once more if it has not been done.
 *
 * @returns what was wrong, as sentences; ends at the first moment that leaves something wrong
 */
export const killAtMoments = async (lxd: Lxd, { places, actions, kind, faults }: Killing): Promise<string[]> => {
  const action = (place: string): Action => {
    const found = actions(place)[kind];
    if (!found) throw new Error(`There is no action ${kind}`);
    return found;
  };
  const random = randomFrom(seed);
  const found: string[] = [];
  let takes = 0;
  for (const place of places) {
    const { prepare, run, clear } = action(place);
    await prepare?.();
    const started = performance.now();
    await run();
    takes = Math.max(takes, performance.now() - started);
    await clear?.();
    found.push(...(await faults()).map((fault) => `unharmed in ${place}: ${fault}`));
  }
  for (let n = 0; n < moments && found.length === 0; n++) {
    const place = places[n % places.length] ?? '';
    const { prepare, run, done, clear } = action(place);
    await prepare?.();
    const delay = random() * 1.2 * takes;
    const acknowledged = await killDuring(lxd, run, delay);
    const where = `moment ${n} in ${place}, killed after ${delay.toFixed(1)} ms`;
    const isDone = (await done?.()) ?? false;
    if (acknowledged && done && !isDone) found.push(`${where}: it was acknowledged and is lost`);
    found.push(...(await faults()).map((fault) => `${where}: ${fault}`));
    if (!isDone) await run();
    await clear?.();
    found.push(...(await faults()).map((fault) => `${where}, after a retry: ${fault}`));
  }
  return found;
};

/** Compares two sets of names; a line for each that only one of them has. */
export const compare = (kind: string, accounted: Iterable<string>, present: Iterable<string>): string[] => {
  const [wanted, found] = [new Set(accounted), new Set(present)];
  return [
    ...[...found].filter((name) => !wanted.has(name)).map((name) => `${kind} ${name} belongs to nothing`),
    ...[...wanted].filter((name) => !found.has(name)).map((name) => `${kind} ${name} is missing`),
  ];
};

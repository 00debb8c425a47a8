import { performance } from 'node:perf_hooks';

/** The middle one of some numbers. */
export const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
};

/** How many milliseconds an action takes. */
export const timed = async (action: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await action();
  return performance.now() - started;
};

/** The median milliseconds of an action over the items, one after the other. */
export const each = async <Item>(
  items: readonly Item[],
  action: (item: Item, index: number) => Promise<unknown>,
): Promise<number> => {
  const times: number[] = [];
  for (const [index, item] of items.entries()) times.push(await timed(() => action(item, index)));
  return median(times);
};

import { expect, it } from 'vitest';
import { parseFigures, usageOf } from './space.ts';

const figures = (...values: string[]) => parseFigures(['pool/custom/default_v', ...values])[1];

it('[05.202] with a refquota what snapshots hold does not count, with a quota it does', () => {
  expect(usageOf(figures('900', '600', '700', '2000', '0', '-', '5000'))).toEqual({ used: 900, total: 2000 });
  expect(usageOf(figures('900', '600', '700', '0', '2000', '-', '5000'))).toEqual({ used: 600, total: 2000 });
  expect(usageOf(figures('900', '600', '700', '0', '0', '-', '5000'))).toEqual({ used: 900 });
});

it('the total of a disk is its size, and a snapshot has none', () => {
  expect(usageOf(figures('12', '12', '12', '-', '-', '65536', '-'))).toEqual({ used: 12, total: 65536 });
  expect(usageOf(figures('12', '-', '700', '-', '-', '-', '-'))).toEqual({ used: 12 });
});

it('[05.75] what a mounted file system has more or less than when the figures were read counts', () => {
  const known = figures('900', '600', '700', '0', '0', '-', '5000');
  expect(usageOf(known, 800)).toEqual({ used: 1000 });
  expect(usageOf(known, 100)).toEqual({ used: 300 });
  expect(usageOf(figures('10', '10', '700', '0', '0', '-', '5000'), 0)).toEqual({ used: 0 });
});

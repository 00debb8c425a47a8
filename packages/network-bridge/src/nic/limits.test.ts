import { expect, it } from 'vitest';
import { parseBitRate, readLimits } from './limits.ts';

it('[03.367 03.369] rates are bits per second, with decimal and binary units', () => {
  expect(['10', '10bit', '10kbit', '10Mbit', '2Gbit', '1Gibit', '3Kibit'].map(parseBitRate)).toEqual([
    10n,
    10n,
    10_000n,
    10_000_000n,
    2_000_000_000n,
    1_073_741_824n,
    3072n,
  ]);
  for (const bad of ['', 'x', '10MB', '10mbit', '1.5Mbit', '-1', '10 Mbit', '10Mbit/s']) {
    expect(() => parseBitRate(bad)).toThrow('must be a number of bits per second');
  }
});

it('[03.226] limits.max is the same as both', () => {
  expect(readLimits({ 'limits.max': '5kbit', 'limits.ingress': '1kbit' })).toEqual({ ingress: 5000n, egress: 5000n });
  expect(readLimits({ 'limits.egress': '1kbit' })).toEqual({ ingress: undefined, egress: 1000n });
});

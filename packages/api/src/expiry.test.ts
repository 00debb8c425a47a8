import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from './errors.ts';
import { expiryDate, parseExpiry } from './expiry.ts';

const from = new Date(2024, 0, 31, 12, 0, 0);

describe('expiry expressions', () => {
  it('[03.181] adds every unit', () => {
    expect(expiryDate(from, '1M 2H 3d 4w 5m 6y')).toEqual(new Date(2030, 5, 31 + 3 + 28, 14, 1, 0));
    expect(expiryDate(from, '90M')).toEqual(new Date(2024, 0, 31, 13, 30, 0));
    expect(expiryDate(from, '1m')).toEqual(new Date(2024, 2, 2, 12, 0, 0));
    expect(expiryDate(from, '2H 1M')).toEqual(expiryDate(from, '1M 2H'));
  });

  it('[03.182] is never without an expression', () => {
    expect(expiryDate(from, '')).toBeNull();
    expect(expiryDate(from, '0H')).toEqual(from);
  });

  it.each(['M', '1', '1x', '1h', '1D', '1W', '1Y', '1.5H', '-1H', '+1H', '1H2M', '1H  2M', '1M,2H', '1 H', '1M 1M'])(
    '[03.181] refuses %j',
    (expression) => {
      expect(() => parseExpiry(expression)).toThrow(InvalidInputError);
    },
  );

  it('refuses what leads past the calendar of the API', () => {
    expect(() => expiryDate(from, '99999999999H')).toThrow(/past the year 9999/);
    expect(() => expiryDate(from, '1000000y')).toThrow(/past the year 9999/);
  });

  it('[03.181] reads every expression made of the six units', () => {
    const parts = fc.uniqueArray(fc.tuple(fc.nat(99), fc.constantFrom('M', 'H', 'd', 'w', 'm', 'y')), {
      minLength: 1,
      selector: ([, unit]) => unit,
    });
    fc.assert(
      fc.property(parts, (chosen) => {
        const expression = chosen.map(([amount, unit]) => `${amount}${unit}`).join(' ');
        expect([...parseExpiry(expression)].map(([unit, amount]) => [amount, unit])).toEqual(chosen);
        expect(expiryDate(from, expression)?.getTime()).toBeGreaterThanOrEqual(from.getTime());
      }),
    );
  });
});

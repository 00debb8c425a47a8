import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from './errors.ts';
import { epochTime, formatNow, formatTime, isUnsetTime, parseTime, parseTimeNanoseconds, zeroTime } from './time.ts';

describe('times', () => {
  it('prints fractions without trailing zeros, down to nanoseconds', () => {
    expect(formatTime(new Date('2024-05-31T08:00:00Z'))).toBe('2024-05-31T08:00:00Z');
    expect(formatTime(new Date('2024-05-31T08:00:00.120Z'))).toBe('2024-05-31T08:00:00.12Z');
    expect(formatTime(1_700_000_000_955_034_494n)).toBe('2023-11-14T22:13:20.955034494Z');
    expect(formatTime(-1n)).toBe('1969-12-31T23:59:59.999999999Z');
  });

  it('[03.182] knows the zero time, which means never', () => {
    expect(formatTime(parseTime(zeroTime))).toBe(zeroTime);
    expect([zeroTime, epochTime, '', '0001-01-01T01:00:00+01:00'].every(isUnsetTime)).toBe(true);
    expect(isUnsetTime(formatNow())).toBe(false);
  });

  it('reads offsets', () => {
    expect(parseTimeNanoseconds('2021-03-23T17:38:37.753398689-04:00')).toBe(
      parseTimeNanoseconds('2021-03-23T21:38:37.753398689Z'),
    );
  });

  it.each([
    '',
    'x',
    '2024-05-31',
    '2024-02-30T00:00:00Z',
    '2024-05-31T24:00:00Z',
    '2024-05-31T08:00:00',
    '2024-13-01T00:00:00Z',
  ])('refuses %j', (text) => {
    expect(() => parseTime(text)).toThrow(InvalidInputError);
  });

  it('reads what it prints', () => {
    const year1 = parseTimeNanoseconds(zeroTime);
    fc.assert(
      fc.property(fc.bigInt({ min: year1, max: parseTimeNanoseconds('9999-12-31T23:59:59.999999999Z') }), (instant) => {
        expect(parseTimeNanoseconds(formatTime(instant))).toBe(instant);
      }),
    );
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
        (date) => {
          expect(parseTime(formatTime(date))).toEqual(date);
        },
      ),
    );
  });
});

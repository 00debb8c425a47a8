import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatGoLayout } from './go-time-layout.ts';

const date = new Date('2024-02-09T17:04:05.120Z');
const utc = { utc: true };

describe('Go time layouts', () => {
  it.each([
    ['2006-01-02_15-04-05', '2024-02-09_17-04-05'],
    ['20060102150405', '20240209170405'],
    ['2006-01-02T15:04:05Z07:00', '2024-02-09T17:04:05Z'],
    ['Mon Jan _2 15:04:05 2006', 'Fri Feb  9 17:04:05 2024'],
    ['Mon, 02 Jan 2006 15:04:05 MST', 'Fri, 09 Feb 2024 17:04:05 UTC'],
    ['Monday, 02-Jan-06 15:04:05 -0700', 'Friday, 09-Feb-24 17:04:05 +0000'],
    ['3:04PM', '5:04PM'],
    ['03:04pm', '05:04pm'],
    ['1/2/06 3:4:5', '2/9/24 5:4:5'],
    ['January 002 __2', 'February 040  40'],
    ['15:04:05.000', '17:04:05.120'],
    ['15:04:05.999999999', '17:04:05.12'],
    ['15:04:05,00', '17:04:05,12'],
    ['2006.01.02', '2024.02.09'],
    ['2006_2006', '2024_2024'],
    ['Month Janet', 'Month Janet'],
    ['-07:00:00 Z0700', '+00:00:00 Z'],
    ['snap-é', 'snap-é'],
    ['', ''],
  ])('[03.178 05.122] %j prints %j', (layout, text) => {
    expect(formatGoLayout(date, layout, utc)).toBe(text);
  });

  it('leaves out a fraction of nothing but zeros', () => {
    expect(formatGoLayout(new Date('2024-02-09T17:04:05Z'), '05.999', utc)).toBe('05');
  });

  it('[03.178] shows local time as the machine does', () => {
    const local = new Date(2024, 1, 9, 3, 4, 5);
    expect(formatGoLayout(local, '2006-01-02_15-04-05')).toBe('2024-02-09_03-04-05');
    const minutes = -local.getTimezoneOffset();
    const sign = minutes < 0 ? '-' : '+';
    expect(formatGoLayout(local, '-07')).toBe(`${sign}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}`);
  });

  it('prints RFC 3339 that reads back as the same moment', () => {
    const dates = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (any) => {
        expect(new Date(formatGoLayout(any, '2006-01-02T15:04:05.000Z07:00', utc))).toEqual(any);
      }),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { config } from '../yaml/shape.ts';
import { printJson } from './json.ts';
import { compareRows } from './sort.ts';
import { drawCompact, drawCsv, drawTable, fitTable } from './table.ts';
import { inWords, isSet, minute } from './time.ts';
import { bytes, bytesIec, parseBytes } from './units.ts';

const table = {
  header: ['NAME', 'STATE', 'X'],
  rows: [
    ['c1', 'RUNNING', 'a\nbb'],
    ['日本', 'STOPPED', ''],
  ],
};

describe('tables', () => {
  it('have lines around every row, centred heads, and cells of several lines', () => {
    expect(drawTable(table)).toBe(`+------+---------+----+
| NAME |  STATE  | X  |
+------+---------+----+
| c1   | RUNNING | a  |
|      |         | bb |
+------+---------+----+
| 日本 | STOPPED |    |
+------+---------+----+
`);
  });

  it('fit a terminal: the widest columns break, heads and narrow columns do not', () => {
    const wide = {
      header: ['NAME', 'DESCRIPTION', 'STATE'],
      rows: [
        ['web', 'a rather long description', 'RUNNING'],
        ['日本語日本語日本語', 'short', 'STOPPED'],
      ],
    };
    expect(drawTable(fitTable(wide, 41))).toBe(`+--------------+--------------+---------+
|     NAME     | DESCRIPTION  |  STATE  |
+--------------+--------------+---------+
| web          | a rather lon | RUNNING |
|              | g descriptio |         |
|              | n            |         |
+--------------+--------------+---------+
| 日本語日本語 | short        | STOPPED |
| 日本語       |              |         |
+--------------+--------------+---------+
`);
    expect(fitTable(wide, 200)).toEqual(wide);
    // Narrower than ten columns no column gets, whatever the terminal.
    expect(drawTable(fitTable(wide, 5)).split('\n')[0]).toBe('+------------+-------------+---------+');
  });

  it('can do without lines', () => {
    expect(drawCompact({ header: ['NAME', 'S'], rows: [['c1', 'x']] })).toBe('  NAME  S  \n  c1    x  \n');
  });

  it('as comma-separated values quote what needs it', () => {
    expect(
      drawCsv({
        header: ['A', 'B'],
        rows: [
          ['a,b', 'say "x"'],
          [' x', 'a\nb'],
          ['', 'plain'],
        ],
      }),
    ).toBe('"a,b","say ""x"""\n" x","a\nb"\n,plain\n');
  });

  it('are sorted as people count, empty cells last', () => {
    const rows = [['c10'], [''], ['c9'], ['x'], ['c1a'], ['2']];
    expect(rows.sort(compareRows)).toEqual([['2'], ['c1a'], ['c9'], ['c10'], ['x'], ['']]);
  });
});

describe('amounts and times', () => {
  it('are shown in powers of 1000 or 1024', () => {
    expect([bytes(90, 2), bytes(7660, 2), bytes(1.5e9, 2)]).toEqual(['90B', '7.66kB', '1.50GB']);
    expect([bytesIec(16384, 2), bytesIec(480 * 2 ** 20, 0), bytesIec(25673596928, 2)]).toEqual([
      '16.00KiB',
      '480MiB',
      '23.91GiB',
    ]);
    expect([parseBytes('100MiB'), parseBytes('1GB'), parseBytes('7'), parseBytes('10%')]).toEqual([
      104857600,
      1e9,
      7,
      undefined,
    ]);
  });

  it('are shown to the minute in the local zone, or in words in UTC', () => {
    expect(minute('2026-11-22T00:05:59.9Z')).toMatch(/^2026\/11\/2[12] \d\d:05 \S+$/);
    expect(inWords('2026-11-22T00:05:18.9Z')).toBe('Nov 22, 2026 at 12:05am (UTC)');
    expect(inWords('2026-01-02T13:05:18Z')).toBe('Jan 2, 2026 at 1:05pm (UTC)');
    expect([isSet('0001-01-01T00:00:00Z'), isSet('1970-01-01T00:00:00Z'), isSet('2020-01-01T00:00:00Z')]).toEqual([
      false,
      false,
      true,
    ]);
  });
});

describe('JSON', () => {
  it('has the order of the shape, sorted maps, and the escapes of Go', () => {
    const shape = { fields: { name: 'string', config, list: { list: 'string' } } } as const;
    expect(printJson({ config: { b: '<&>', a: '1' }, extra: 1, name: 'x', list: null }, shape)).toBe(
      '{"name":"x","config":{"a":"1","b":"\\u003c\\u0026\\u003e"},"list":null}',
    );
  });
});

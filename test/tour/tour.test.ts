import { beforeAll, describe, expect, test } from 'vitest';
import { ours, real } from '../support/programs.ts';
import { type Account, differencesOf, takeTour } from './tour.ts';
import { unwantedLines } from './wanted.ts';

/** What must not differ, as text that says where and how. */
const unwanted = (expected: Account, found: Account): string[] =>
  differencesOf(expected, found)
    .filter((one) => one.part !== 'wording of the error')
    .map((one) => ({ ...one, lines: unwantedLines(one) }))
    .filter((one) => one.lines.length > 0)
    .map((one) => `${one.step}: ${one.part}\n${one.lines.join('\n')}`);

describe('the tour of lxc commands gives the same output as with the real LXD and its client', {
  timeout: 300_000,
}, () => {
  let expected: Account;
  beforeAll(async () => {
    expected = await takeTour(real, real);
  }, 300_000);

  test("with Debian's client and our daemon", async () => {
    expect(unwanted(expected, await takeTour(ours, real))).toEqual([]);
  });

  test('with our client and the real daemon', async () => {
    expect(unwanted(expected, await takeTour(real, ours))).toEqual([]);
  });

  test('with our client and our daemon', async () => {
    expect(unwanted(expected, await takeTour(ours, ours))).toEqual([]);
  });
});

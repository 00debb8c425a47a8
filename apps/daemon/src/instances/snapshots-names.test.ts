import { expect, test } from 'vitest';
import { snapshotName } from './snapshots-names.ts';

const at = new Date(2026, 10, 22, 13, 4, 5);

test.each([
  ['snap%d', [], 'snap0'],
  ['snap%d', ['snap0', 'snap5', 'snapx', 'other9'], 'snap6'],
  ['a%db', ['a3b', 'a7', '9b'], 'a4b'],
  ['%d', ['4'], '5'],
  ['fixed', ['other'], 'fixed'],
  ['fixed', ['fixed'], 'fixed-0'],
  ['fixed', ['fixed', 'fixed-3'], 'fixed-4'],
  ["{{ creation_date|date:'2006-01-02_15-04-05' }}", [], '2026-11-22_13-04-05'],
  ['{{creation_date | date: "02"}}-%d', ['22-0'], '22-1'],
])('[03.177 03.178 03.180] the pattern %s with %j makes %s', (pattern, taken, name) => {
  expect(snapshotName(pattern, at, taken)).toBe(name);
});

test.each([
  ['%d-%d', 'only once'],
  ['a/b', 'Cannot contain'],
  ['', 'Cannot be empty'],
  ['{{ creation_date', 'not closed'],
  ['{{ other }}', 'Cannot be empty'],
  ["{{ creation_date.constructor.constructor('return 1')() }}", ''],
  ['{% for x in y %}', 'not supported'],
])('[03.179] the pattern %s is refused', (pattern, reason) => {
  expect(() => snapshotName(pattern, at, [])).toThrow(reason);
});

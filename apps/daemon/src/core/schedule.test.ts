import { expect, test } from 'vitest';
import { isDue, isDueAtStart } from './schedule.ts';

/** A Sunday. */
const midnight = new Date(2026, 10, 1, 0, 0, 7, 300);
const noon = new Date(2026, 10, 22, 12, 0);
const later = new Date(2026, 10, 23, 12, 34);
const newYear = new Date(2027, 0, 1, 0, 0);

test.each([
  ['', []],
  ['@never', []],
  ['@startup', []],
  ['@hourly', [midnight, noon, newYear]],
  ['@daily', [midnight, newYear]],
  ['@midnight', [midnight, newYear]],
  ['@weekly', [midnight]],
  ['@monthly', [midnight, newYear]],
  ['@yearly', [newYear]],
  ['@annually', [newYear]],
  ['@startup, @yearly,@weekly', [midnight, newYear]],
  ['* * * * *', [midnight, noon, later, newYear]],
  ['34 12 * * MON', [later]],
  ['0 12 22 11 *', [noon]],
])('[03.172 03.173 03.174 03.175] the schedule %j is due at %j', (schedule, due) => {
  expect([midnight, noon, later, newYear].filter((minute) => isDue(schedule, minute))).toEqual(due);
});

test('[03.173] starts are due only where @startup is named', () => {
  expect(['@startup', '@daily, @startup', '@daily', ''].filter(isDueAtStart)).toEqual(['@startup', '@daily, @startup']);
});

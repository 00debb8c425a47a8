import { expect, it } from 'vitest';
import { suggestions } from './suggest.ts';

it('suggests commands that are at most two letters off, or begin alike', () => {
  const names = ['alias', 'config', 'copy', 'list', 'profile', 'project'];
  expect(suggestions('lis', names)).toEqual(['alias', 'list']);
  expect(suggestions('PRO', names)).toEqual(['profile', 'project']);
  expect(suggestions('conf', names)).toEqual(['config', 'copy']);
  expect(suggestions('storage', names)).toEqual([]);
});

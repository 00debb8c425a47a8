import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { asShellText } from './run.ts';

test('words reach the guest as they were given, and a single word is a text for its shell', () => {
  const words = ['printf', '%s|', "it's", 'a b', '$HOME', '*', ''];
  expect(execFileSync('bash', ['-c', asShellText(words)], { encoding: 'utf8' })).toBe("it's|a b|$HOME|*||");
  expect(asShellText(['exit 3 | cat'])).toBe('exit 3 | cat');
});

import { expect, test } from 'vitest';
import { compare, lineDifference } from './compare.ts';
import { normalise } from './normalise.ts';
import { words } from './step.ts';

test('command lines split into words as in a shell', () => {
  expect(words(`exec c1 -- sh -c 'echo "a b"' --x="y z"`)).toEqual([
    'exec',
    'c1',
    '--',
    'sh',
    '-c',
    'echo "a b"',
    '--x=y z',
  ]);
  expect(() => words("exec 'c1")).toThrow('not closed');
});

test('volatile text gets placeholders and the rest stays', () => {
  expect(normalise('name: c1\ncreated_at: 2026-11-22T00:33:12.123456789Z\n')).toBe('name: c1\ncreated_at: <time>');
  expect(normalise('Creating c1\n\rUnpack: 7% (1MB/s)\r       \rStarting c1\n')).toBe('Creating c1\nStarting c1');
  expect(normalise('| c1 | 10.88.0.5 (eth0) |')).toBe(normalise('| c1 | 10.88.0.151 (eth0)   |'));
  expect(normalise('ipv4.address: 10.88.0.1/24')).toBe('ipv4.address: 10.88.0.1/24');
  expect(normalise('a  b')).toBe('a  b');
});

test('JSON is compared by value: key order does not count, values do', () => {
  expect(normalise('{"b":1,"pid":42,"a":"x"}')).toBe(normalise('{"a":"x","b":1,"pid":7}'));
  expect(normalise('{"a":"x"}')).not.toBe(normalise('{"a":"y"}'));
  expect(normalise('[2,1]')).not.toBe(normalise('[1,2]'));
  expect(normalise('[2,1]', true)).toBe(normalise('[1,2]', true));
});

test('a difference is found in exit code, output and the fact of an error, and its words told apart', () => {
  const good = { code: 0, stdout: 'one\ntwo\n', stderr: '' };
  const bad = { code: 1, stdout: '', stderr: 'Error: Instance not found\n' };
  expect(compare('x', good, good)).toEqual([]);
  expect(compare('x', good, { ...good, code: 1 })).toMatchObject([{ part: 'exit code' }]);
  expect(compare('x', good, { ...good, stdout: 'one\n' })).toMatchObject([{ part: 'standard output' }]);
  expect(compare('x', bad, { ...bad, stderr: 'Error: No such instance\n' })).toMatchObject([
    { part: 'wording of the error' },
  ]);
  expect(compare('x', bad, { ...bad, stderr: 'TypeError\n' })).toMatchObject([{ part: 'standard error' }]);
  expect(lineDifference('a\nb\nc', 'a\nx\nc')).toEqual(['+ x', '- b']);
});

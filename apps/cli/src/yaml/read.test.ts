import { describe, expect, it } from 'vitest';
import { instancePut } from '../shapes/instance.ts';
import { printYaml } from './print.ts';
import { readYaml } from './read.ts';
import { readSimple } from './simple.ts';

describe('[02.08] YAML that people write', () => {
  it('keeps texts as they are written, whatever they look like', async () => {
    const text =
      'config: {limits.cpu: 2, user.on: yes, user.octal: 010, user.none: , user.quoted: "1"}\nephemeral: yes\n';
    expect(await readYaml(text, instancePut)).toEqual({
      config: { 'limits.cpu': '2', 'user.on': 'yes', 'user.octal': '010', 'user.none': '', 'user.quoted': '1' },
      ephemeral: true,
    });
  });

  it('passes over fields it does not know, and reads anchors', async () => {
    const text = 'nope: 1\ndevices:\n  eth0: &nic {type: nic}\n  eth1: *nic\n';
    expect(await readYaml(text, instancePut)).toEqual({ devices: { eth0: { type: 'nic' }, eth1: { type: 'nic' } } });
  });

  it.each([
    ['ephemeral: abc', 'yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `abc` into bool'],
    ['\nconfig: [a]', 'yaml: unmarshal errors:\n  line 2: cannot unmarshal !!seq into map[string]string'],
    ['profiles: {a: b}', 'yaml: unmarshal errors:\n  line 1: cannot unmarshal !!map into []string'],
    ['a: b: c', 'yaml: line 1: '],
  ])('is refused with the line and what was wanted: %j', async (text, message) => {
    await expect(readYaml(text, instancePut)).rejects.toThrow(message);
  });

  it('comes back as it was printed', async () => {
    const value = { config: { a: 'true', b: '1\n2\n', c: ' x', d: 'ä: "#"' }, profiles: ['default'], description: '~' };
    const read = await readYaml(printYaml(value, instancePut), instancePut);
    expect(read).toMatchObject(value);
  });
});

describe('the quick reader', () => {
  it('reads maps of plain texts', () => {
    expect(readSimple('a: x y\nb:\n  c: http://x:80/\n  d:\n    e: 1\nf: {}\n')).toEqual({
      a: 'x y',
      b: { c: 'http://x:80/', d: { e: '1' } },
      f: {},
    });
  });

  it.each([
    'a: "x"',
    'a: [x]',
    'a: x # y',
    'a: |\n  x',
    '- a',
    'a: &x y',
    'a: b: c',
    'a: x\na: y',
    '   a: x',
    'a: !t x',
  ])('leaves all else to the library: %j', (text) => {
    expect(readSimple(text)).toBeUndefined();
  });
});

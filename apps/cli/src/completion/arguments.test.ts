import { describe, expect, it } from 'vitest';
import { argumentsOf, readArgument } from './arguments.ts';

const parts = (use: string) => argumentsOf(use).map((argument) => argument.parts.join('/'));

describe('usage lines', () => {
  it.each([
    ['[<remote>:]<pool> <volume>[/<snapshot>]', ['pool', 'volume/snapshot']],
    ['[<remote>:]<pool>/<volume>[/<snapshot>] [<remote>:]<pool>/<volume>', ['pool/volume/snapshot', 'pool/volume']],
    [
      '[<remote:>]<pool> <volume> <profile> [<device name>] [<path>]',
      ['pool', 'volume', 'profile', 'device name', 'path'],
    ],
    ['[<remote>:][<instance>] <key>=<value>...', ['instance', 'key/value']],
    ['[<remote>:]<instance> [flags] [--] <command line>', ['instance', 'command line']],
    ['<remote> <new-name>', ['remote', 'new-name']],
    ['', []],
  ])('%s', (use, expected) => {
    expect(parts(use)).toEqual(expected);
  });

  it('say whether a remote may stand before an argument, whether it repeats, and whether it is a setting', () => {
    const [instance, setting] = argumentsOf('[<remote>:][<instance>] <key>=<value>...');
    expect(instance).toMatchObject({ remote: true, repeats: false, setting: false });
    expect(setting).toMatchObject({ remote: false, repeats: true, setting: true });
  });

  it('name what is typed', () => {
    const [volume] = argumentsOf('[<remote>:]<pool>/<volume>[/<snapshot>]');
    expect(volume && readArgument(volume, 'far:fast/data')).toEqual({ pool: 'fast', volume: 'data' });
  });
});

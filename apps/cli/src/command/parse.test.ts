import { describe, expect, it } from 'vitest';
import { bool, int, list, string, uint32 } from './flags.ts';
import { parseArgs } from './parse.ts';

const flags = {
  config: list('', { short: 'c' }),
  console: string('', { bare: 'console' }),
  force: bool('', { short: 'f' }),
  format: string('', { short: 'F', default: 'table' }),
  interactive: bool('', { short: 'i' }),
  timeout: int('', { default: -1 }),
  user: uint32(''),
};

describe('command lines', () => {
  it('have defaults where nothing is given', () => {
    expect(parseArgs([], flags).values).toEqual({
      config: [],
      console: '',
      force: false,
      format: 'table',
      interactive: false,
      timeout: -1,
      user: 0,
    });
  });

  it.each([[['--format=csv']], [['--format', 'csv']], [['-F', 'csv']], [['-Fcsv']], [['-F=csv']], [['-fiF', 'csv']]])(
    'take a value written as %j',
    (argv) => {
      expect(parseArgs(argv, flags).values.format).toBe('csv');
    },
  );

  it('take flags after arguments, and several switches in one word', () => {
    const { args, values, given } = parseArgs(['a', '-fi', 'b', '-c', 'k=v', '--config=x=y', '-cz'], flags);
    expect(args).toEqual(['a', 'b']);
    expect(values).toMatchObject({ force: true, interactive: true, config: ['k=v', 'x=y', 'z'] });
    expect([...given]).toEqual(['force', 'interactive', 'config']);
  });

  it('end their flags at --', () => {
    const { args, values, afterDash } = parseArgs(['a', '--', '-f', '--nope'], flags);
    expect(args).toEqual(['a', '-f', '--nope']);
    expect(afterDash).toEqual(['-f', '--nope']);
    expect(values.force).toBe(false);
  });

  it('end their flags at the first argument where a command wants that', () => {
    expect(parseArgs(['-f', 'c1', 'ls', '-la'], flags, false)).toMatchObject({
      args: ['c1', 'ls', '-la'],
      values: { force: true },
    });
  });

  it('give a flag without a value its bare meaning', () => {
    expect(parseArgs(['--console', 'vga'], flags)).toMatchObject({ args: ['vga'], values: { console: 'console' } });
    expect(parseArgs(['--console=vga'], flags).values.console).toBe('vga');
  });

  it('read truth values and numbers', () => {
    const { values } = parseArgs(['--force=false', '--timeout=-5', '--user', '0x10'], flags);
    expect(values).toMatchObject({ force: false, timeout: -5, user: 16 });
  });

  it.each([
    [['--nope'], 'unknown flag: --nope'],
    [['-fz'], "unknown shorthand flag: 'z' in -z"],
    [['-F'], "flag needs an argument: 'F' in -F"],
    [['--format'], 'flag needs an argument: --format'],
    [['--=x'], 'bad flag syntax: --=x'],
    [
      ['--force=maybe'],
      'invalid argument "maybe" for "-f, --force" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [['--timeout=x'], 'invalid argument "x" for "--timeout" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [['--user=-1'], 'invalid argument "-1" for "--user" flag: strconv.ParseUint: parsing "-1": invalid syntax'],
    [
      ['--user=4294967296'],
      'invalid argument "4294967296" for "--user" flag: strconv.ParseUint: parsing "4294967296": value out of range',
    ],
  ])('are refused in the words of the reference client: %j', (argv, message) => {
    expect(() => parseArgs(argv, flags)).toThrow(message);
  });
});

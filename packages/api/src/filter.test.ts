import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter, FilterError } from './filter.ts';

const instance = {
  name: 'c1',
  status: 'Running',
  status_code: 103,
  stateful: false,
  description: '',
  profiles: ['default', 'web'],
  config: { 'image.os': 'Busybox', 'volatile.last_state.power': 'RUNNING' },
  expanded_devices: { root: { path: '/', type: 'disk' }, 'eth0.1': { nictype: 'bridged' } },
  update_source: { protocol: 'simplestreams' },
};

const matches = (filter: string, object: object = instance): boolean => compileFilter(filter)(object);

describe('filter language', () => {
  // The answers of LXD 5.0.2 to the same filters, except where the titles below say otherwise.
  it.each([
    ['name eq c1', true],
    ['name eq C1', true],
    ['NOT name EQ x', true],
    ['name eq c', false],
    ['name eq c.*', true],
    ['name eq ^c', true],
    ['name eq 1$', true],
    ['name eq c|foo', true],
    ['name eq c[', false],
    ['not name eq c1', false],
    ['name ne c1', false],
    ['not name ne c1', true],
    ['foo eq bar', false],
    ['foo ne bar', true],
    ['config.image.os eq BusyBox', true],
    ['config.volatile.last_state.power eq RUNNING', true],
    ['expanded_devices.root.path eq /', true],
    ['config eq x', false],
    ['', true],
    ['  ', true],
    [' name  eq   c1 ', true],
    ['name eq and', false],
    ['name eq (?i)C1', true],
    ['name eq "x c1" or status eq Running', true],
    ['status eq "Run ning"', false],
  ])('[09.COL-03 09.COL-05 09.COL-06] %j gives %s', (filter, expected) => {
    expect(matches(filter)).toBe(expected);
  });

  it('[09.COL-04] joins from left to right without precedence', () => {
    expect(matches('name eq c1 or name eq x and name eq x')).toBe(false);
    expect(matches('name eq x and name eq x or name eq c1')).toBe(true);
    expect(matches('not name eq c1 or name eq c1')).toBe(true);
  });

  it('[09.COL-05] compares other values by their text, and a lone quoted word works', () => {
    expect(matches('stateful eq false')).toBe(true);
    expect(matches('status_code eq 103')).toBe(true);
    expect(matches('name eq "c1"')).toBe(true);
    expect(matches('description eq ""')).toBe(true);
    expect(matches('profiles eq web')).toBe(true);
  });

  it('[09.COL-06] takes field names of structures as aliases, and names with dots', () => {
    expect(matches('Name eq c1 and not UpdateSource.Protocol eq simplestreams')).toBe(false);
    expect(matches('UpdateSource.Protocol eq simplestreams')).toBe(true);
    expect(matches('ExpandedDevices.eth0.1.nictype eq bridged')).toBe(true);
    expect(matches('Properties.os eq Centos', { properties: { os: 'CentOS' } })).toBe(true);
  });

  it('takes an invalid expression as plain text', () => {
    expect(matches('name eq c[', { name: 'C[' })).toBe(true);
  });

  it('reads no inherited properties', () => {
    expect(matches('constructor.name eq Object')).toBe(false);
    expect(matches('config.__proto__.x ne 1')).toBe(true);
  });

  it.each([
    ['name', 4, 'no operator'],
    ['name eq', 7, 'no value'],
    ['not', 3, 'incomplete not'],
    ['not not name eq c1', 8, 'neither eq nor ne'],
    ['name eq "c1', 8, 'unterminated quote'],
    ['name eq "c"1', 8, 'unterminated quote'],
    ['name eq c1 and', 14, 'unterminated compound'],
    ['name eq c1 foo status eq Running', 11, 'neither and nor or'],
    ['name xx c1', 5, 'neither eq nor ne'],
    ['and', 3, 'no operator'],
  ])('[09.COL-05] %j is refused at %d: %s', (filter, position, reason) => {
    expect(() => compileFilter(filter)).toThrow(
      expect.objectContaining({ position, message: expect.stringContaining(reason) }),
    );
  });

  it('names the fields it reads', () => {
    expect(compileFilter('name eq a and not config.user.x ne b').fields).toEqual(['name', 'config.user.x']);
  });

  it('answers in linear time whatever the expression', () => {
    const start = performance.now();
    expect(matches('name eq (a+)+b', { name: 'a'.repeat(50_000) })).toBe(false);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('either compiles or says where it fails, and eq is the contrary of ne', () => {
    const word = fc.constantFrom(
      'name',
      'eq',
      'ne',
      'not',
      'and',
      'or',
      'c1',
      '"',
      '"a',
      'b"',
      'c[',
      '.*',
      'config.image.os',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 9 }), (words) => {
        try {
          expect(typeof matches(words.join(' '))).toBe('boolean');
        } catch (error) {
          expect(error).toBeInstanceOf(FilterError);
        }
      }),
    );
    fc.assert(
      fc.property(
        fc.string().filter((value) => value.trim() === value && value !== '' && !/[\s"]/.test(value)),
        (value) => {
          expect(matches(`name eq ${value}`)).toBe(!matches(`name ne ${value}`));
        },
      ),
    );
  });
});

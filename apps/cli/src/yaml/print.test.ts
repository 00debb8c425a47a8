import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printYaml } from './print.ts';
import { config, type Struct, strings } from './shape.ts';

const fixture = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');

describe('YAML', () => {
  it('is byte for byte what the reference client prints: 130 awkward texts and keys taken from it', () => {
    const values: unknown = JSON.parse(fixture('config.json'));
    expect(printYaml({ config: values }, { fields: { config } })).toBe(fixture('config.txt'));
  });

  it('prints fields in the order of the shape, with zero values for what is missing', () => {
    const shape: Struct = {
      fields: {
        name: 'string',
        config,
        profiles: strings,
        stateful: 'bool',
        pid: 'number',
        when: 'time',
        gone: 'string',
      },
      omitEmpty: ['gone'],
    };
    expect(printYaml({ pid: 7, name: 'c1' }, shape)).toBe(
      'name: c1\nconfig: {}\nprofiles: []\nstateful: false\npid: 7\nwhen: 0001-01-01T00:00:00Z\n',
    );
  });

  it('does not indent lists inside maps, and puts the first key of an item beside its dash', () => {
    const shape: Struct = { fields: { ports: { list: { fields: { a: 'string', tags: strings, map: config } } } } };
    const value = { ports: [{ a: '1', tags: ['x', 'y'], map: { k: 'v' } }, { a: 'two' }] };
    expect(printYaml(value, shape)).toBe(`ports:
- a: "1"
  tags:
  - x
  - "y"
  map:
    k: v
- a: two
  tags: []
  map: {}
`);
  });

  it('prints what is null and may be, and anything without a shape', () => {
    const state: Struct = { fields: { pid: 'number' }, nullable: true };
    expect(printYaml([{ state: null }, { state: { pid: 1 } }], { list: { fields: { state } } })).toBe(
      '- state: null\n- state:\n    pid: 1\n',
    );
    expect(printYaml({ b: [1, 2.5, null, true, 'x'], a: {} })).toBe('a: {}\nb:\n- 1\n- 2.5\n- null\n- true\n- x\n');
    expect(printYaml([], { list: 'string' })).toBe('[]\n');
    expect(printYaml({}, config)).toBe('{}\n');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from './errors.ts';
import { requests } from './requests.ts';
import {
  choice,
  count,
  deviceMap,
  flag,
  integer,
  nullable,
  omittable,
  parseBody,
  patchOf,
  struct,
  text,
  textMap,
  texts,
  time,
} from './schema.ts';

const inner = struct({ path: text, mode: integer });
const sample = struct({
  name: text,
  config: textMap,
  devices: deviceMap,
  profiles: texts,
  stateful: flag,
  timeout: integer,
  size: count,
  expires_at: time,
  action: choice('', 'start', 'stop'),
  source: inner,
  target: nullable(inner),
  restore: omittable(text),
  disks: omittable(struct({ items: texts })),
});
const zero = {
  name: '',
  config: {},
  devices: {},
  profiles: [],
  stateful: false,
  timeout: 0,
  size: 0,
  expires_at: '0001-01-01T00:00:00Z',
  action: '',
  source: { path: '', mode: 0 },
  target: null,
};

describe('request bodies', () => {
  it('fields that are absent or null have their zero value', () => {
    expect(parseBody(sample, {})).toEqual(zero);
    expect(parseBody(sample, null)).toEqual(zero);
    expect(parseBody(sample, Object.fromEntries(Object.keys(sample.shape).map((field) => [field, null])))).toEqual(
      zero,
    );
    expect(parseBody(sample, { source: { mode: null }, target: {} })).toEqual({
      ...zero,
      target: { path: '', mode: 0 },
    });
  });

  it('unknown fields are ignored, and field names match whatever their case', () => {
    expect(parseBody(sample, { NAME: 'a', Stateful: true, foo: 1 })).toEqual({ ...zero, name: 'a', stateful: true });
    expect(parseBody(sample, { NAME: 'a', name: 'b' })).toEqual({ ...zero, name: 'b' });
    expect(parseBody(sample, { name: 'b', NAME: 'a' })).toEqual({ ...zero, name: 'b' });
    expect(parseBody(sample, { config: { 'User.A': 'x' } })).toEqual({ ...zero, config: { 'User.A': 'x' } });
  });

  it('a config key that is null is unset', () => {
    expect(parseBody(sample, { config: { 'user.a': null }, devices: { eth0: null } })).toEqual({
      ...zero,
      config: { 'user.a': '' },
      devices: { eth0: {} },
    });
  });

  it.each([
    [[], 'the body must be an object, not a list'],
    ['x', 'the body must be an object, not a string'],
    [{ name: 1 }, 'name must be a string, not a number'],
    [{ NAME: 1 }, 'name must be a string, not a number'],
    [{ config: { 'user.a': 1 } }, 'config.user.a must be a string, not a number'],
    [{ config: { 'user.a': true } }, 'config.user.a must be a string, not a boolean'],
    [{ config: [] }, 'config must be an object, not a list'],
    [{ devices: { eth0: { type: {} } } }, 'devices.eth0.type must be a string, not an object'],
    [{ profiles: 'default' }, 'profiles must be a list, not a string'],
    [{ profiles: ['a', 5] }, 'profiles[1] must be a string, not a number'],
    [{ stateful: 'true' }, 'stateful must be a boolean, not a string'],
    [{ timeout: '5' }, 'timeout must be a number, not a string'],
    [{ timeout: 1.5 }, 'timeout must be a whole number, not the fraction 1.5'],
    [{ size: -1 }, 'size must not be less than 0'],
    [{ expires_at: 'tomorrow' }, 'expires_at must be a time such as 2024-05-31T08:00:00Z'],
    [{ action: 'jump' }, 'action must be one of (empty), start, stop, not "jump"'],
    [{ source: { mode: true } }, 'source.mode must be a number, not a boolean'],
  ])('[09.ENV-05] %j is refused: %s', (body, sentence) => {
    expect(() => parseBody(sample, body)).toThrow(new InvalidInputError(`Invalid request: ${sentence}`));
  });

  it('[03.183] an empty time is the zero time', () => {
    expect(parseBody(sample, { expires_at: '' }).expires_at).toBe('0001-01-01T00:00:00Z');
  });

  it('[09.MOD-04] PATCH leaves alone what is not given', () => {
    expect(parseBody(patchOf(sample), { Name: 'a', config: { k: 'v' }, expires_at: null, source: {} })).toEqual({
      name: 'a',
      config: { k: 'v' },
      source: { path: '', mode: 0 },
    });
    expect(parseBody(patchOf(sample), null)).toEqual({});
    expect(() => parseBody(patchOf(sample), [])).toThrow('the body must be an object, not a list');
  });

  it('no zero value is shared between two bodies', () => {
    parseBody(sample, {}).profiles.push('x');
    expect(parseBody(sample, {}).profiles).toEqual([]);
  });
});

describe('all requests', () => {
  const named = requests.map((request): [string, (typeof requests)[number]] => [
    `${request.method} ${request.path}`,
    request,
  ]);

  it.each(named)('[09.ENV-05] %s takes any JSON or says what is wrong with it', (_, { body }) => {
    const fields = body.safeParse({}).data;
    const names = typeof fields === 'object' && fields !== null ? Object.keys(fields) : [];
    const anyBody = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom('name', 'config', ...names), fc.jsonValue({ maxDepth: 2 })),
    );
    fc.assert(
      fc.property(anyBody, (value) => {
        try {
          // What was accepted once is accepted again, unchanged: the result is a fixed point.
          const once = parseBody(body, value);
          expect(parseBody(body, JSON.parse(JSON.stringify(once)))).toEqual(once);
        } catch (error) {
          if (!(error instanceof InvalidInputError)) throw error;
          expect(error.message).toMatch(/^Invalid request: .+ must /);
        }
      }),
      { numRuns: 60 },
    );
  });
});

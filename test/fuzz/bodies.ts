/** Request bodies that look nearly right: the fields that a request has, with values of every sort. */
import * as fc from 'fast-check';
import { z } from 'zod';

/** What people and attackers type. */
const texts = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '',
      'c1',
      'default',
      'busybox',
      'lxdbr0',
      'nothing',
      'true',
      '1',
      '-1',
      '64MiB',
      '10.1.2.0/24',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '../../../../etc/passwd',
      'a/b',
      '/nothing/here',
      'a b',
      'a\0b',
      'a\nb',
      "'; DROP TABLE instances; --",
      '%s%n',
      '{{ 1 }}',
      '\u202e',
      '\ud800',
      'ü',
      '99999999999999999999',
      '1e309',
      'NaN',
      '0x10',
      '18446744073709551616B',
      '*',
      '.',
      '..',
      '-x',
      '--help',
      'x'.repeat(300),
      '::1',
      '300.1.1.1',
      '2026-13-45T99:99:99Z',
      'null',
      '[]',
      '@daily * * * * * *',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
);

const anything = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.constantFrom(-1, 1e18, 1.5, 2 ** 63),
  texts,
  fc.array(texts, { maxLength: 3 }),
  fc.dictionary(texts, texts, { maxKeys: 3 }),
  fc.dictionary(texts, fc.dictionary(texts, texts, { maxKeys: 3 }), { maxKeys: 2 }),
);

/** The part of JSON Schema that is read here. */
interface Shape {
  readonly type?: string | undefined;
  readonly enum?: readonly unknown[] | undefined;
  readonly properties?: Readonly<Record<string, Shape>> | undefined;
  readonly additionalProperties?: Shape | boolean | undefined;
  readonly items?: Shape | undefined;
  readonly anyOf?: readonly Shape[] | undefined;
}

const shape: z.ZodType<Shape> = z.lazy(() =>
  z.looseObject({
    type: z.string().optional().catch(undefined),
    enum: z.array(z.unknown()).optional(),
    properties: z.record(z.string(), shape).optional(),
    additionalProperties: z.union([shape, z.boolean()]).optional(),
    items: shape.optional(),
    anyOf: z.array(shape).optional(),
  }),
);

const keys = fc.oneof(
  fc.constantFrom(
    'limits.memory',
    'limits.cpu',
    'security.privileged',
    'boot.autostart',
    'volatile.x',
    'user.x',
    'raw.lxc',
    'snapshots.schedule',
    'ipv4.address',
    'ipv6.address',
    'dns.mode',
    'size',
    'source',
    'core.https_address',
    'images.auto_update_interval',
    'type',
    'path',
    'nictype',
    'network',
    'pool',
  ),
  texts,
);

const fitting = (one: Shape): fc.Arbitrary<unknown> => {
  if (one.enum) return fc.constantFrom(...one.enum);
  if (one.anyOf) return fc.oneof(...one.anyOf.map(fitting));
  switch (one.type) {
    case 'string':
      return texts;
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return fc.oneof(fc.integer({ min: -2, max: 100 }), fc.constantFrom(2 ** 31, 2 ** 53, -(2 ** 40)));
    case 'array':
      return fc.array(one.items ? value(one.items) : anything, { maxLength: 3 });
    case 'object': {
      const { properties = {}, additionalProperties: rest } = one;
      const named = fc.record(
        Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, value(inner)])),
        { requiredKeys: [] },
      );
      return typeof rest === 'object' && Object.keys(properties).length === 0
        ? fc.dictionary(keys, value(rest), { maxKeys: 4 })
        : named;
    }
    default:
      return anything;
  }
};

/** Mostly a value of the right type, sometimes any other. */
const value = (one: Shape): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: fitting(one) }, { weight: 1, arbitrary: anything });

/** Bodies for a request with this schema. */
export const bodiesFor = (schema: z.ZodType): fc.Arbitrary<unknown> =>
  value(shape.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })));

/** Bodies that are no JSON at all, or JSON that no request has. */
export const brokenBodies: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a lone brace', Buffer.from('{')],
  ['null', Buffer.from('null')],
  ['a list', Buffer.from('[]')],
  ['a number', Buffer.from('1e999')],
  ['a text', Buffer.from('"x"')],
  ['two objects', Buffer.from('{}{}')],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
  ['a very deep list', Buffer.from('['.repeat(200_000))],
  ['a prototype', Buffer.from('{"__proto__":{"name":"x"},"constructor":1}')],
  ['a megabyte of name', Buffer.from(JSON.stringify({ name: 'x'.repeat(1 << 20) }))],
];

/** Names for the places in a path. */
export const pathParts: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('c1', 'default', 'lxdbr0', 'busybox', 'custom', 's1') },
  { weight: 2, arbitrary: texts.filter((text) => text !== '' && text.isWellFormed() && text !== '.' && text !== '..') },
);

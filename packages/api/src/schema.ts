import * as z from 'zod';
import { InvalidInputError } from './errors.ts';
import { isTime, zeroTime } from './time.ts';

/**
 * What the schemas of this package are made of. The wire follows the habits of the reference server's JSON decoder:
 * unknown fields are ignored, an absent or `null` field has the zero value of its type (`""`, `0`, `false`, `[]`, `{}`, the
 * zero time), names of fields match whatever their case, and a value of the wrong type is refused.
 */

type Shape = z.core.$ZodLooseShape;

/** Zero values that do not follow from the type alone. */
const zeroValues = new WeakMap<z.core.$ZodType, unknown>();

const withZero = <S extends z.ZodType>(schema: S, zero: unknown): S => {
  zeroValues.set(schema, zero);
  return schema;
};

const orEmpty = <S extends z.ZodType>(schema: S, empty: unknown) => z.preprocess((value) => value ?? empty, schema);

/** A text, `""` when absent. */
export const text = z.string();

/** A truth value, `false` when absent. */
export const flag = z.boolean();

/** A whole number, also negative. */
export const integer = z.int();

/** A whole number of at least zero. */
export const count = z.int().min(0);

/** A user or group ID. */
export const id32 = z.int().min(0).max(0xffff_ffff);

/** A number with a fraction. */
export const decimal = z.number();

/** An RFC 3339 time as text, the zero time when absent or empty. */
export const time = withZero(
  z
    .string()
    .refine((value) => value === '' || isTime(value), 'must be a time such as 2024-05-31T08:00:00Z')
    .transform((value) => (value === '' ? zeroTime : value)),
  zeroTime,
);

/** A list of texts. */
export const texts = z.array(orEmpty(text, ''));

/** A map of texts, such as `config`. A key that is `null` has the empty text, which unsets it. */
export const textMap = z.record(z.string(), orEmpty(text, ''));

/** `devices`: from the name of each device to its configuration. */
export const deviceMap = z.record(z.string(), orEmpty(textMap, {}));

/** Any JSON object whose content another schema knows. */
export const anyMap = z.record(z.string(), z.unknown());

/** One of a few words. Absent, it is the empty text, which is accepted only where it is among the words. */
export const choice = <const Words extends readonly [string, ...string[]]>(...words: Words) =>
  withZero(z.enum(words), '');

/** The value a field of this schema has when the body does not hold it; `undefined` leaves it out. */
const zeroOf = (schema: z.core.$ZodType): unknown => {
  if (zeroValues.has(schema)) return zeroValues.get(schema);
  switch (schema._zod.def.type) {
    case 'string':
      return '';
    case 'boolean':
      return false;
    case 'number':
      return 0;
    case 'array':
      return [];
    case 'record':
    case 'pipe':
    case 'lazy':
      return {};
    case 'nullable':
      return null;
    default:
      return undefined;
  }
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Finds the fields of a shape in a body whatever their case; the exact spelling wins, `null` counts as absent. */
const fieldReader = (shape: Shape) => {
  const byLowerCase = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  return (body: Record<string, unknown>): Record<string, unknown> => {
    const fields: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(body)) {
      const field = Object.hasOwn(shape, name) ? name : byLowerCase.get(name.toLowerCase());
      const spelledBetter = field !== name && field !== undefined && Object.hasOwn(body, field);
      if (field !== undefined && value !== null && !spelledBetter) fields[field] = value;
    }
    return fields;
  };
};

/** A JSON object with known fields. Its `shape` serves to build larger ones and {@link patchOf}. */
export const struct = <S extends Shape>(shape: S) => {
  const read = fieldReader(shape);
  const zeros = Object.entries(shape).map(([name, field]): [string, unknown] => [name, zeroOf(field)]);
  const fill = (body: unknown): unknown => {
    if (!isObject(body ?? {})) return body;
    const fields = isObject(body) ? read(body) : {};
    for (const [name, zero] of zeros) if (zero !== undefined && !(name in fields)) fields[name] = zero;
    return fields;
  };
  return Object.assign(z.preprocess(fill, z.object(shape)), { shape });
};

/** The same fields for a PATCH body: what is absent or `null` stays absent, and with it untouched. */
export const patchOf = <S extends Shape>({ shape }: { shape: S }) => {
  const read = fieldReader(shape);
  const fill = (body: unknown): unknown => (isObject(body) ? read(body) : (body ?? {}));
  return Object.assign(z.preprocess(fill, z.object(shape).partial()), { shape });
};

/** A field that is left out of replies when it has nothing to say. */
export const omittable = <S extends z.ZodType>(schema: S) => schema.optional();

/** A field that is `null` on the wire when it has nothing to say. */
export const nullable = <S extends z.ZodType>(schema: S) => schema.nullable();

/** What a client may send for a type of this package: every field may be left out, at any depth. */
export type Sendable<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: Sendable<T[K]> | null | undefined }
    : T;

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'a string';
    case 'number':
      return Number.isInteger(value) ? 'a number' : `the fraction ${value}`;
    case 'boolean':
      return 'a boolean';
    case 'object':
      return 'an object';
    default:
      return typeof value;
  }
};

const expectedKinds = new Map([
  ['string', 'a string'],
  ['boolean', 'a boolean'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['array', 'a list'],
  ['record', 'an object'],
  ['object', 'an object'],
]);

const reason = (issue: z.core.$ZodIssue): string => {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${expectedKinds.get(issue.expected) ?? issue.expected}, not ${kindOf(issue.input)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => (value === '' ? '(empty)' : String(value))).join(', ')}, not ${
        typeof issue.input === 'string' ? `"${issue.input}"` : kindOf(issue.input)
      }`;
    case 'too_small':
      return `must not be less than ${issue.minimum}`;
    case 'too_big':
      return `must not be more than ${issue.maximum}`;
    default:
      return issue.message;
  }
};

const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (shown, part) =>
      typeof part === 'number' ? `${shown}[${part}]` : shown === '' ? String(part) : `${shown}.${String(part)}`,
    '',
  );

/**
 * Checks a request body against its schema.
 *
 * @param body - the parsed JSON
 * @returns the body with every field of the schema present
 * @throws InvalidInputError with a sentence that names the field and what it must be
 */
export const parseBody = <S extends z.ZodType>(schema: S, body: unknown): z.output<S> => {
  const result = schema.safeParse(body, { reportInput: true });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (!issue) throw result.error;
  throw new InvalidInputError(`Invalid request: ${pathText(issue.path) || 'the body'} ${reason(issue)}`);
};

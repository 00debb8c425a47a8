import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import * as api from './index.ts';

/** The published description of the API, as far as these tests read it. */
const property = z.object({
  type: z.string().optional(),
  format: z.string().optional(),
  $ref: z.string().optional(),
  get items() {
    return property.optional();
  },
  get additionalProperties() {
    return property.optional();
  },
});
type Property = z.infer<typeof property>;

const description = z
  .object({
    definitions: z.record(z.string(), z.object({ properties: z.record(z.string(), property).optional() })),
    paths: z.record(
      z.string(),
      z.record(
        z.string(),
        z.object({
          parameters: z
            .array(z.object({ in: z.string(), schema: property.optional(), $ref: z.string().optional() }))
            .optional(),
        }),
      ),
    ),
  })
  .parse(parse(readFileSync(new URL('../../../docs/spec/rest-api.yaml', import.meta.url), 'utf8')));

/** Names that are spelled otherwise here, or are types without fields. */
const plainTypes = new Set(['StatusCode', 'InstanceType']);
const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const schemas = new Map<string, z.ZodType>();
for (const [name, value] of Object.entries<unknown>(api)) if (value instanceof z.ZodType) schemas.set(name, value);
const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

/** Takes a schema out of what surrounds the type on the wire. */
const core = (schema: z.core.$ZodType): z.core.$ZodType => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return core(schema.unwrap());
  if (schema instanceof z.ZodPipe) return core(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  return schema;
};

const fieldsOf = (schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> => {
  const object = core(schema);
  if (!(object instanceof z.ZodObject)) throw new Error('not an object');
  return object.shape;
};

/** The basic type of a schema in the words of OpenAPI, with the fields of nested objects left to their own definition. */
const kind = (schema: z.core.$ZodType): string => {
  const bare = core(schema);
  if (bare instanceof z.ZodString || bare instanceof z.ZodEnum) return 'string';
  if (bare instanceof z.ZodBoolean) return 'boolean';
  if (bare instanceof z.ZodNumberFormat) return 'integer';
  if (bare instanceof z.ZodNumber) return 'number';
  if (bare instanceof z.ZodArray) return `array of ${kind(bare.element)}`;
  if (bare instanceof z.ZodRecord) return `map of ${kind(bare.valueType)}`;
  if (bare instanceof z.ZodObject) return 'object';
  return 'any';
};

const documentedKind = ({ type, $ref, items, additionalProperties }: Property): string => {
  if ($ref !== undefined) {
    const name = nameOf($ref);
    if (name === 'StatusCode') return 'integer';
    return name === 'InstanceType' ? 'string' : 'object';
  }
  if (type === 'array') return `array of ${items ? documentedKind(items) : 'any'}`;
  if (type === 'object') {
    // The description writes a map of lists as an object with items.
    if (items) return `array of ${documentedKind(items)}`;
    return additionalProperties && Object.keys(additionalProperties).length > 0
      ? `map of ${documentedKind(additionalProperties)}`
      : 'any';
  }
  return type ?? 'any';
};

describe('the published description', () => {
  const definitions = Object.entries(description.definitions).filter(([name]) => !plainTypes.has(name));

  it.each(definitions)(
    '[09.API-09] %s has its schema, with every field and its basic type',
    (name, { properties = {} }) => {
      const schema = schemas.get(lowerFirst(name));
      if (!schema) throw new Error(`There is no schema ${lowerFirst(name)}`);
      const fields = fieldsOf(schema);
      for (const [field, documented] of Object.entries(properties)) {
        const declared = fields[field];
        if (!declared) throw new Error(`${name} has no field ${field}`);
        const wanted = documentedKind(documented);
        if (wanted === 'any') continue;
        expect({ field, kind: kind(declared) }).toEqual({ field, kind: wanted });
      }
    },
  );

  it('[09.API-09] no schema has a field that is not described, but for those known from the wire', () => {
    const known = new Set(['StorageVolumeSnapshotPost.migration', 'StorageVolumeSnapshotPost.target']);
    const surplus = definitions.flatMap(([name, { properties = {} }]) => {
      const schema = schemas.get(lowerFirst(name));
      return schema
        ? Object.keys(fieldsOf(schema))
            .filter((field) => !(field in properties))
            .map((field) => `${name}.${field}`)
        : [];
    });
    expect(surplus.filter((field) => !known.has(field))).toEqual([]);
  });

  it('[09.API-09] every request with a body is registered with the schema of its definition', () => {
    const segments = (path: string): string =>
      path
        .replace(/^\/1\.0/, '')
        .replace(/\?.*$/, '')
        .replace(/\{[^}]*\}/g, '{}');
    const registered = new Map(api.requests.map(({ method, path, body }) => [`${method} ${segments(path)}`, body]));
    const wanted = new Map(
      Object.entries(description.paths).flatMap(([path, methods]) =>
        Object.entries(methods).flatMap(([method, { parameters = [] }]) => {
          const body = parameters.find((parameter) => parameter.in === 'body');
          const ref = body?.schema?.$ref ?? body?.$ref;
          return ref === undefined ? [] : [[`${method.toUpperCase()} ${segments(path)}`, nameOf(ref)] as const];
        }),
      ),
    );
    expect([...registered.keys()].sort()).toEqual([...wanted.keys()].sort());
    for (const [request, name] of wanted) {
      const body = registered.get(request);
      const schema = schemas.get(lowerFirst(name));
      if (!body || !schema) throw new Error(`${request} has no schema`);
      // A rename of a backup is described with the definition of a snapshot's; both have the name.
      const fields = Object.keys(fieldsOf(schema)).filter(
        (field) => !name.startsWith('StorageVolumeSnapshotPost') || field === 'name',
      );
      expect({ request, fields: Object.keys(fieldsOf(body)) }).toEqual({
        request,
        fields: expect.arrayContaining(fields),
      });
    }
  });
});

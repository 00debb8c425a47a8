import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import * as api from './index.ts';

/** One answer of a real LXD 5.0.2 for each kind of object. */
const answers: Record<string, unknown> = JSON.parse(
  readFileSync(new URL('../fixtures/lxd-5.0.2.json', import.meta.url), 'utf8'),
);

const schemas = new Map<string, z.ZodType>();
for (const [name, value] of Object.entries<unknown>(api)) if (value instanceof z.ZodType) schemas.set(name, value);

/** Fields that came after 5.0.2. */
const later = new Set(['auth_user_name', 'auth_user_method', 'total']);

/** All paths of an object in the order they are printed, but for the fields that came later. */
const pathsOf = (value: unknown, path = ''): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, inner]) => [`${path}/${name}`, ...pathsOf(inner, `${path}/${name}`)])
    : [];

describe('answers of a real server', () => {
  it.each(Object.entries(answers))('[09.API-01] %s is read whole, and printed in the same order', (name, answer) => {
    const schema = schemas.get(name);
    if (!schema) throw new Error(`There is no schema ${name}`);
    const parsed = schema.parse(answer);
    expect(parsed).toMatchObject(z.looseObject({}).parse(answer));
    const order = pathsOf(parsed).filter((path) => {
      const [field] = path.split('/').slice(-1);
      return field === undefined || !later.has(field) || pathsOf(answer).includes(path);
    });
    expect(order).toEqual(pathsOf(answer));
  });
});

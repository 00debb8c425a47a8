import { isEmpty, isRecord, isStruct, type Shape } from '../yaml/shape.ts';

const zero = (shape: Shape): unknown => {
  if (shape === 'string') return '';
  if (shape === 'bool') return false;
  if (shape === 'number') return 0;
  if (shape === 'time') return '0001-01-01T00:00:00Z';
  return isStruct(shape) && !shape.nullable ? arrange({}, shape) : null;
};

/** The same value with the fields of its shape in their order, and zero values where something is missing. */
const arrange = (value: unknown, shape: Shape): unknown => {
  if (value === undefined) return zero(shape);
  if (value === null || typeof shape === 'string') return shape === 'any' ? sorted(value) : value;
  if (isStruct(shape)) {
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(shape.fields)
        .filter(([key]) => !(shape.omitEmpty?.includes(key) && isEmpty(value[key])))
        .map(([key, kind]) => [key, arrange(value[key], kind)]),
    );
  }
  if ('list' in shape) return Array.isArray(value) ? value.map((item) => arrange(item, shape.list)) : value;
  return isRecord(value) ? sortedRecord(value, (item) => arrange(item, shape.map)) : value;
};

const sortedRecord = (record: Record<string, unknown>, each: (value: unknown) => unknown): Record<string, unknown> =>
  Object.fromEntries(
    Object.keys(record)
      .sort()
      .map((key) => [key, each(record[key])]),
  );

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  return isRecord(value) ? sortedRecord(value, sorted) : value;
};

/** Escapes what Go's encoder escapes, so that the text is the same byte for byte. */
const escapeHtml = (json: string): string =>
  json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);

/**
 * Prints a value as JSON in the field order of its shape, maps sorted by key, as Go does.
 */
export const printJson = (value: unknown, shape: Shape = 'any'): string =>
  escapeHtml(JSON.stringify(arrange(value, shape)));

/** Prints a value as JSON over several lines, maps sorted by key and nothing escaped without need. */
export const printJsonLines = (value: unknown): string => JSON.stringify(arrange(value, 'any'), null, '\t');

import { compareKeys } from './order.ts';
import { keyScalar, textScalar } from './scalar.ts';
import { isEmpty, isRecord, isStruct, type Shape } from './shape.ts';

/** One entry of a block mapping. */
type Entry = [key: string, value: unknown, shape: Shape];

const number = (value: number): string => {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value);
  return String(value).replace(/e([-+])(\d)$/, 'e$10$2');
};

const entriesOf = (value: unknown, shape: Shape): Entry[] | undefined => {
  if (isStruct(shape)) {
    const record = isRecord(value) ? value : {};
    return Object.entries(shape.fields)
      .filter(([key]) => !(shape.omitEmpty?.includes(key) && isEmpty(record[key])))
      .map(([key, kind]) => [key, record[key], kind]);
  }
  const kind: Shape | undefined = typeof shape === 'object' && 'map' in shape ? shape.map : undefined;
  if (kind === undefined && !(shape === 'any' && isRecord(value))) return undefined;
  const record = isRecord(value) ? value : {};
  return Object.keys(record)
    .sort(compareKeys)
    .map((key) => [key, record[key], kind ?? 'any']);
};

const itemsOf = (value: unknown, shape: Shape): [items: readonly unknown[], kind: Shape] | undefined => {
  if (typeof shape === 'object' && 'list' in shape) return [Array.isArray(value) ? value : [], shape.list];
  return shape === 'any' && Array.isArray(value) ? [value, 'any'] : undefined;
};

const scalar = (value: unknown, shape: Shape, column: number, indent: number): string => {
  if (shape === 'bool') return value === true ? 'true' : 'false';
  if (shape === 'number') return number(typeof value === 'number' ? value : 0);
  if (shape === 'time') return typeof value === 'string' && value !== '' ? value : '0001-01-01T00:00:00Z';
  if (shape === 'string') return textScalar(typeof value === 'string' ? value : '', column, indent);
  if (typeof value === 'string') return textScalar(value, column, indent);
  if (typeof value === 'number') return number(value);
  return value === null || value === undefined ? 'null' : String(value);
};

/** Prints a value that follows a key or a dash on the same line; collections begin on the next line. */
const after = (value: unknown, shape: Shape, column: number, indent: number): string => {
  if (isStruct(shape) && shape.nullable && !isRecord(value)) return ' null';
  const entries = entriesOf(value, shape);
  if (entries) return entries.length === 0 ? ' {}' : `\n${' '.repeat(indent + 2)}${mapping(entries, indent + 2)}`;
  const list = itemsOf(value, shape);
  // A sequence inside a mapping is not indented further.
  if (list) return list[0].length === 0 ? ' []' : `\n${' '.repeat(indent)}${sequence(list[0], list[1], indent)}`;
  return ` ${scalar(value, shape, column + 1, indent + 2)}`;
};

const mapping = (entries: readonly Entry[], indent: number): string =>
  entries
    .map(([key, value, shape]) => {
      const name = keyScalar(key);
      return `${name}:${after(value, shape, indent + [...name].length + 1, indent)}`;
    })
    .join(`\n${' '.repeat(indent)}`);

const sequence = (items: readonly unknown[], kind: Shape, indent: number): string =>
  items
    .map((item) => {
      if (isStruct(kind) && kind.nullable && !isRecord(item)) return '- null';
      const entries = entriesOf(item, kind);
      if (entries) return entries.length === 0 ? '- {}' : `- ${mapping(entries, indent + 2)}`;
      const list = itemsOf(item, kind);
      if (list) return list[0].length === 0 ? '- []' : `- ${sequence(list[0], list[1], indent + 2)}`;
      return `- ${scalar(item, kind, indent + 2, indent + 2)}`;
    })
    .join(`\n${' '.repeat(indent)}`);

/**
 * Prints a value as YAML exactly as the reference client does (Go's yaml.v2).
 *
 * @returns the text with a line break at its end
 */
export const printYaml = (value: unknown, shape: Shape = 'any'): string => {
  if (isStruct(shape) && shape.nullable && !isRecord(value)) return 'null\n';
  const entries = entriesOf(value, shape);
  if (entries) return entries.length === 0 ? '{}\n' : ended(mapping(entries, 0));
  const list = itemsOf(value, shape);
  if (list) return list[0].length === 0 ? '[]\n' : ended(sequence(list[0], list[1], 0));
  return ended(scalar(value, shape, 0, 2));
};

const ended = (text: string): string => `${text}\n`;

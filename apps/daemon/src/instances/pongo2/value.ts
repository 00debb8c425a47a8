/** A function that a template may call. */
export type Callable = (...args: readonly Value[]) => Value;

/** What expressions give: plain data, and the functions of the context. `undefined` is an unknown name. */
export type Value =
  | string
  | number
  | boolean
  | undefined
  | Date
  | Callable
  | readonly Value[]
  | { readonly [key: string]: Value };

export type ValueMap = { readonly [key: string]: Value };

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

export const isMap = (value: Value): value is ValueMap =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);

/** Keys of a map in the order loops see them. */
export const keysOf = (map: ValueMap): string[] => Object.keys(map).sort();

/** An entry of a map, or an item of a list by its number. Only what was put there is found, never what JavaScript adds. */
export const memberOf = (value: Value, key: Value): Value => {
  if (isList(value)) return value[Number(key)];
  if (isMap(value) && typeof key === 'string' && Object.hasOwn(value, key)) return value[key];
  return undefined;
};

export const isTruthy = (value: Value): boolean => {
  if (isList(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return Boolean(value);
};

/** A value as it is written into the file. */
export const textOf = (value: Value): string => {
  if (value === undefined || typeof value === 'function') return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(6);
  if (value instanceof Date) return value.toISOString();
  if (isList(value)) return `[${value.map(textOf).join(' ')}]`;
  if (isMap(value))
    return `map[${keysOf(value)
      .map((key) => `${key}:${textOf(value[key])}`)
      .join(' ')}]`;
  return value;
};

/** A value as a number; what is none counts as 0. */
export const numberOf = (value: Value): number => {
  const number = typeof value === 'string' || typeof value === 'number' ? Number(value) : 0;
  return Number.isFinite(number) ? number : 0;
};

/** The number of characters, items or entries. */
export const lengthOf = (value: Value): number => {
  if (typeof value === 'string') return [...value].length;
  if (isList(value)) return value.length;
  return isMap(value) ? Object.keys(value).length : 0;
};

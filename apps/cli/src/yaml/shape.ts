/**
 * How a value of the API is laid out: which fields, in which order, of which kind. Printing follows it, so that YAML and
 * JSON come out with the same order and the same zero values whatever order a server used; reading follows it, so that
 * `limits.cpu: 2` in an edited file becomes the text "2" and `ephemeral: true` a boolean.
 *
 * These are plain data and no zod schemas because the client starts in the time zod takes to load.
 */
export type Shape =
  | 'string'
  | 'bool'
  | 'number'
  /** RFC 3339; printed without quotes. */
  | 'time'
  /** Whatever it is, printed as found. */
  | 'any'
  | { list: Shape }
  | { map: Shape }
  | Struct;

/** An object with known fields, printed in this order. */
export interface Struct {
  fields: Record<string, Shape>;
  /** Fields that are left out when empty. */
  omitEmpty?: readonly string[];
  /** May be `null`, and is printed so when the server sent none. */
  nullable?: boolean;
}

export const strings: Shape = { list: 'string' };
export const config: Shape = { map: 'string' };
export const devices: Shape = { map: config };

export const isStruct = (shape: Shape): shape is Struct => typeof shape === 'object' && 'fields' in shape;

/** The fields of one struct followed by those of others, as when one API type embeds another. */
export const joined = (...parts: Struct[]): Struct => ({
  fields: Object.assign({}, ...parts.map(({ fields }) => fields)),
  omitEmpty: parts.flatMap(({ omitEmpty }) => omitEmpty ?? []),
});

/** Whether a value is what a field holds before anything was put in. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  value === false ||
  value === 0 ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0);

/** A plain object with text keys. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

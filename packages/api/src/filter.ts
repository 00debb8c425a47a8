import { RE2JS, RE2JSException } from 're2js';
import { InvalidInputError } from './errors.ts';

/** A filter expression that does not follow the grammar; `position` is the offset in the text where it went wrong. */
export class FilterError extends InvalidInputError {
  override name = 'FilterError';
  readonly position: number;

  constructor(reason: string, position: number) {
    super(`Invalid filter: ${reason} at position ${position}`);
    this.position = position;
  }
}

/** A compiled filter: tells whether an object, in the form the API prints it, is wanted. */
export interface Filter {
  (object: object): boolean;
  /** The dotted fields the expression reads, so that a caller can leave out what costs time to find. */
  readonly fields: readonly string[];
}

interface Token {
  readonly text: string;
  readonly position: number;
}

interface Clause {
  readonly field: string;
  readonly test: (object: object) => boolean;
}

/** Words parted by white space, read on demand, because a quote opens a longer word only where a value is expected. */
const scanner = (source: string) => {
  let offset = 0;
  const skipSpace = (): void => {
    while (/\s/.test(source.charAt(offset))) offset += 1;
  };
  const word = (): Token | undefined => {
    skipSpace();
    const position = offset;
    while (offset < source.length && !/\s/.test(source.charAt(offset))) offset += 1;
    return offset === position ? undefined : { text: source.slice(position, offset), position };
  };
  const value = (): Token | undefined => {
    skipSpace();
    if (source[offset] !== '"') return word();
    const position = offset;
    // The closing quote ends a word; a quote inside one is part of the text.
    const close = source.slice(position + 1).search(/"(?=\s|$)/);
    if (close === -1) throw new FilterError('unterminated quote', position);
    offset = position + 1 + close + 1;
    return { text: source.slice(position + 1, position + 1 + close), position };
  };
  return { word, value, end: () => source.length };
};

/**
 * Matches as the reference server does: case ignored, anchored at both ends unless the value has an anchor of its own,
 * and compared as plain text where the value is no regular expression. RE2 syntax, in time linear in the text.
 */
const matcher = (value: string): ((text: string) => boolean) => {
  const lowered = value.toLowerCase();
  const plain = (text: string): boolean => text.toLowerCase() === lowered;
  if (/^[\w\s,:@/=-]*$/.test(value)) return plain;
  try {
    const pattern = RE2JS.compile(/[$^]/.test(value) ? value : `^${value}$`, RE2JS.CASE_INSENSITIVE | RE2JS.DOTALL);
    return (text) => pattern.test(text);
  } catch (error) {
    if (error instanceof RE2JSException) return plain;
    throw error;
  }
};

/** `UpdateSource` is `update_source`: field names of the program's structures, which the documents use in one example. */
const snakeCase = (name: string): string => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase();

/** The value behind a dotted path; names may hold dots themselves (`config.image.os`), so the longest one wins. */
const lookup = (value: unknown, path: readonly string[]): unknown => {
  if (path.length === 0) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = new Map<string, unknown>(Object.entries(value));
  for (let length = path.length; length > 0; length -= 1) {
    const name = path.slice(0, length).join('.');
    for (const key of [name, snakeCase(name)]) {
      const found = entries.has(key) ? lookup(entries.get(key), path.slice(length)) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
};

/** Text forms a field is compared by: one for a scalar, one an element for a list, none for objects and absent fields. */
const texts = (value: unknown): string[] => {
  if (Array.isArray(value)) return value.flatMap(texts);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [String(value)] : [];
};

/**
 * Compiles the filter language of `?filter=` (spec 09 COL-03 to COL-06):
 * `[not] field (eq|ne) value`, joined by `and`/`or` from left to right without precedence.
 *
 * @throws FilterError if the text does not follow the grammar
 */
export const compileFilter = (source: string): Filter => {
  const scan = scanner(source);

  const clause = (first: Token): Clause => {
    let field: Token | undefined = first;
    const negated = first.text.toLowerCase() === 'not';
    if (negated) field = scan.word();
    if (!field) throw new FilterError('incomplete not clause', scan.end());
    const operator = scan.word();
    if (!operator) throw new FilterError('clause has no operator', scan.end());
    const comparison = operator.text.toLowerCase();
    if (comparison !== 'eq' && comparison !== 'ne') {
      throw new FilterError(`the operator "${operator.text}" is neither eq nor ne`, operator.position);
    }
    const value = scan.value();
    if (!value) throw new FilterError('clause has no value', scan.end());
    const path = field.text.split('.');
    const matches = matcher(value.text);
    const wanted = (comparison === 'eq') !== negated;
    return { field: field.text, test: (object) => texts(lookup(object, path)).some(matches) === wanted };
  };

  const fields: string[] = [];
  let test: (object: object) => boolean = () => true;
  let joint: 'and' | 'or' = 'and';
  for (let token = scan.word(); token; token = scan.word()) {
    const left = test;
    const right = clause(token);
    fields.push(right.field);
    test =
      joint === 'and' ? (object) => left(object) && right.test(object) : (object) => left(object) || right.test(object);

    const connector = scan.word();
    if (!connector) return Object.assign(test, { fields });
    const word = connector.text.toLowerCase();
    if (word !== 'and' && word !== 'or') {
      throw new FilterError(`"${connector.text}" is neither and nor or`, connector.position);
    }
    joint = word;
  }
  if (fields.length > 0) throw new FilterError('unterminated compound clause', scan.end());
  return Object.assign(test, { fields });
};

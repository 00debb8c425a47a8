import { UserError } from '../../command/errors.ts';
import { readStdin } from './input.ts';

/** `key=value` in two; `undefined` without an equals sign. */
export const splitPair = (text: string): [string, string] | undefined => {
  const equals = text.indexOf('=');
  return equals < 0 ? undefined : [text.slice(0, equals), text.slice(equals + 1)];
};

/**
 * The keys and values of a `set` command: `key=value` any number of times, or one key and its value as two words.
 * The value `-` is read from the standard input.
 *
 * @throws UserError naming the word that is no pair
 */
export const settings = (words: readonly string[]): Record<string, string> => {
  const [first = '', second = ''] = words;
  const found: (readonly [string, string])[] =
    words.length === 2 && !first.includes('=')
      ? [[first, second]]
      : words.map((word) => {
          const pair = splitPair(word);
          if (pair === undefined) throw new UserError(`Invalid key=value configuration: ${word}`);
          return pair;
        });
  return Object.fromEntries(found.map(([key, value]) => [key, value === '-' ? readStdin() : value]));
};

const pairs = (words: readonly string[], complaint: (word: string) => string): Record<string, string> =>
  Object.fromEntries(
    words.map((word) => {
      const pair = splitPair(word);
      if (pair === undefined) throw new UserError(complaint(word));
      return pair;
    }),
  );

/** Properties of an image, as `key=value` any number of times. */
export const properties = (words: readonly string[]): Record<string, string> =>
  pairs(words, (word) => `Bad key=value pair: ${word}`);

/** The settings of something that is created, as `key=value` any number of times. */
export const createProperties = (words: readonly string[]): Record<string, string> =>
  pairs(words, (word) => `Bad key/value pair: ${word}`);

/** The properties of a device as written after its type. */
export const deviceProperties = (words: readonly string[]): Record<string, string> =>
  pairs(words, (word) => `No value found in "${word}"`);

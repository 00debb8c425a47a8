import { UserError } from '../command/errors.ts';

/** Aliases that are there without being configured. */
const builtIn = new Map([['shell', 'exec @ARGS@ -- su -l']]);

/** Splits a text into words as a shell does: blanks part them, quotes and backslashes protect. */
export const shellWords = (text: string): string[] => {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote !== '') {
      if (char === quote) quote = '';
      else if (char === '\\' && quote === '"' && '"\\$`'.includes(text.charAt(at + 1))) word += text.charAt(++at);
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === '\\') {
      word = (word ?? '') + text.charAt(++at);
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote !== '') throw new UserError(`The alias "${text}" has an unclosed quote`);
  return word === undefined ? words : [...words, word];
};

/**
 * Replaces an alias at the beginning of a command line by what it stands for. `@ARGS@` marks where the remaining words
 * go; without it they follow at the end. What comes out is not expanded again, so that an alias may shadow a command.
 */
export const expandAlias = (aliases: ReadonlyMap<string, string>, argv: readonly string[]): string[] => {
  const candidates = [...aliases, ...builtIn]
    .map(([name, target]) => ({ words: name.split(/\s+/), target }))
    .filter(({ words }) => words.every((word, index) => argv[index] === word))
    // The alias of more words is the more precise one; the user's own stands before a built-in of the same length.
    .sort((a, b) => b.words.length - a.words.length);
  const [chosen] = candidates;
  if (chosen === undefined) return [...argv];
  const rest = argv.slice(chosen.words.length);
  const target = shellWords(chosen.target);
  if (!target.includes('@ARGS@')) return [...target, ...rest];
  return target.flatMap((word) => (word === '@ARGS@' ? rest : [word]));
};

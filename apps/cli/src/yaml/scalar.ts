import { isOtherThanText } from './resolve.ts';

/**
 * Text scalars in the style libyaml's emitter picks: plain if it can be, else single quotes, double quotes when
 * characters need escaping, a literal block for several lines; long lines are folded after column 80.
 */

const bestWidth = 80;

const isBreak = (char: string | undefined): boolean =>
  char === '\n' || char === '\r' || char === '\u0085' || char === '\u2028' || char === '\u2029';
const isBlankOrEnd = (char: string | undefined): boolean =>
  char === undefined || char === ' ' || char === '\t' || char === '\0' || isBreak(char);

/** Printable by yaml.v2's reading of the YAML character set: nothing beyond the basic plane, no byte order mark. */
const isPrintable = (char: string): boolean => {
  const code = char.codePointAt(0) ?? 0;
  return (
    code === 0x0a ||
    (code >= 0x20 && code <= 0x7e) ||
    (code >= 0xa0 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd && code !== 0xfeff)
  );
};

interface Allowed {
  plain: boolean;
  single: boolean;
  block: boolean;
}

const analyse = (chars: readonly string[]): Allowed => {
  const text = chars.join('');
  const last = chars.length - 1;
  let indicator = text.startsWith('---') || text.startsWith('...');
  let special = false;
  let breakThenSpace = false;
  let spaceThenBreak = false;
  let lines = false;
  for (const [index, char] of chars.entries()) {
    const next = chars[index + 1];
    const previous = chars[index - 1];
    if (index === 0) {
      if ('#,[]{}&*!|>\'"%@`'.includes(char)) indicator = true;
      if ('?:-'.includes(char) && isBlankOrEnd(next)) indicator = true;
    } else {
      if (char === ':' && isBlankOrEnd(next)) indicator = true;
      if (char === '#' && isBlankOrEnd(previous)) indicator = true;
    }
    if (!isPrintable(char)) special = true;
    if (char === ' ' && isBreak(previous)) breakThenSpace = true;
    if (isBreak(char)) {
      lines = true;
      if (previous === ' ') spaceThenBreak = true;
    }
  }
  const edge = (char: string | undefined): boolean => char === ' ' || isBreak(char);
  const broken = spaceThenBreak || special;
  return {
    plain: !(indicator || lines || broken || edge(chars[0]) || edge(chars[last])),
    single: !(breakThenSpace || broken),
    block: !(broken || chars[last] === ' '),
  };
};

const escapes: Record<string, string> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\u0085': '\\N',
  '\u00a0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

const escaped = (char: string): string => {
  if (isPrintable(char) && !isBreak(char) && char !== '"' && char !== '\\') return char;
  const known = escapes[char];
  if (known !== undefined) return known;
  const hex = (char.codePointAt(0) ?? 0).toString(16).toUpperCase();
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
};

/** Writes characters one by one and folds at single spaces once the line is long enough. */
const fold = (
  chars: readonly string[],
  column: number,
  indent: number,
  style: { open: string; write: (char: string) => string; ends: boolean; doubleSpace: 'keep' | 'escape' },
): string => {
  let out = style.open;
  let at = column + style.open.length;
  let spaces = false;
  for (const [index, char] of chars.entries()) {
    const inside = style.ends || (index > 0 && index < chars.length - 1);
    const nextIsSpace = chars[index + 1] === ' ';
    if (char === ' ' && !spaces && at > bestWidth && inside && (style.doubleSpace === 'escape' || !nextIsSpace)) {
      const continued = nextIsSpace ? '\\' : '';
      out += `\n${' '.repeat(indent)}${continued}`;
      at = indent + continued.length;
    } else {
      const written = style.write(char);
      out += written;
      at += [...written].length;
    }
    spaces = char === ' ';
  }
  return out + style.open;
};

const literal = (text: string, indent: number): string => {
  const hint = /^[ \n\r\u0085\u2028\u2029]/.test(text) ? '2' : '';
  const chomp = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : '';
  const body = text.endsWith('\n') ? text.slice(0, -1) : text;
  const padding = ' '.repeat(indent);
  const lines = body.split('\n').map((line) => (line === '' ? '' : padding + line));
  return `|${hint}${chomp}\n${lines.join('\n')}`;
};

/**
 * @param column - where on its line the scalar begins, in characters
 * @param indent - the column that continued lines begin at
 * @returns the scalar, without a line break at its end
 */
export const textScalar = (text: string, column: number, indent: number): string => {
  if (text === '') return '""';
  const chars = [...text];
  const allowed = analyse(chars);
  if (text.includes('\n')) {
    if (allowed.block) return literal(text, indent);
  } else if (!isOtherThanText(text)) {
    if (allowed.plain) {
      return fold(chars, column, indent, { open: '', write: (char) => char, ends: true, doubleSpace: 'keep' });
    }
    if (allowed.single) {
      const write = (char: string): string => (char === "'" ? "''" : char);
      return fold(chars, column, indent, { open: "'", write, ends: false, doubleSpace: 'keep' });
    }
  }
  return fold(chars, column, indent, { open: '"', write: escaped, ends: false, doubleSpace: 'escape' });
};

/** A mapping key: never broken over lines. */
export const keyScalar = (text: string): string => {
  if (text === '') return '""';
  const chars = [...text];
  const allowed = analyse(chars);
  if (!isOtherThanText(text)) {
    if (allowed.plain) return text;
    if (allowed.single && !chars.some(isBreak)) return `'${text.replaceAll("'", "''")}'`;
  }
  return `"${chars.map(escaped).join('')}"`;
};

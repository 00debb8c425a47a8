import { badRequest } from '@lxd-ts/driver-kit';

/** A piece of a template: text as it stands, an expression to print, or a tag. */
export interface Piece {
  readonly kind: 'text' | 'variable' | 'tag';
  /** The text, or what stands between the marks. */
  readonly content: string;
}

const mark = /\{#[\s\S]*?#\}|(\{\{-?)([\s\S]*?)(-?\}\})|(\{%-?)([\s\S]*?)(-?%\})/g;

/** Splits a template into pieces. A `-` inside a mark takes away the white space on its side. Comments vanish. */
export const splitTemplate = (source: string): Piece[] => {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  const addText = (text: string, trimEnd: boolean): void => {
    const start = trimNext ? text.trimStart() : text;
    const content = trimEnd ? start.trimEnd() : start;
    if (content !== '') pieces.push({ kind: 'text', content });
    trimNext = false;
  };
  for (const match of source.matchAll(mark)) {
    const open = match[1] ?? match[4] ?? '';
    const close = match[3] ?? match[6] ?? '';
    addText(source.slice(at, match.index), open.endsWith('-'));
    at = match.index + match[0].length;
    trimNext = close.startsWith('-');
    const content = match[2] ?? match[5];
    if (content !== undefined) pieces.push({ kind: match[1] ? 'variable' : 'tag', content: content.trim() });
  }
  addText(source.slice(at), false);
  return pieces;
};

export interface Token {
  readonly kind: 'text' | 'number' | 'name' | 'sign';
  readonly content: string;
}

const token =
  /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(==|!=|<>|<=|>=|&&|\|\||[-+*/%^<>!|:.,()[\]=]))/y;

/** Splits an expression into tokens. @throws LxdError bad-request at a character that belongs to none */
export const tokenize = (expression: string): Token[] => {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < expression.trimEnd().length) {
    const from = token.lastIndex;
    const match = token.exec(expression);
    if (!match) throw badRequest(`Cannot read "${expression.slice(from)}" in template expression "${expression}"`);
    const [, double, single, number, name, sign] = match;
    const text = double ?? single;
    if (text !== undefined) tokens.push({ kind: 'text', content: text.replace(/\\(["'\\])/g, '$1') });
    else if (number !== undefined) tokens.push({ kind: 'number', content: number });
    else if (name !== undefined) tokens.push({ kind: 'name', content: name });
    else tokens.push({ kind: 'sign', content: sign ?? '' });
  }
  return tokens;
};

/** Markdown tables, aligned, and the places in a page that are written by a program. */

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** @param lines - the head first; all of the same length */
export const markdownTable = (lines: readonly (readonly string[])[]): string => {
  const rows = lines.map((line) => line.map(cell));
  const widths = rows[0]?.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const write = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [write(head), write(widths.map((width) => '-'.repeat(width))), ...body.map(write)].join('\n');
};

/**
 * Puts a text between `<!-- NAME: … -->` and `<!-- NAME: end -->`.
 *
 * @throws {Error} when the page has no such place
 */
export const replacePart = (page: string, name: string, text: string): string => {
  const place = new RegExp(`(<!-- ${name}: (?!end)[^\\n]*-->\\n)[^]*?(<!-- ${name}: end -->)`);
  if (!place.test(page)) throw new Error(`The page has no place "${name}"`);
  return page.replace(place, (_, begin: string, end: string) => `${begin}\n${text}\n\n${end}`);
};

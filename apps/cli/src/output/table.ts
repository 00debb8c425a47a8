/** A table: the header and the rows, all cells text, a cell possibly of several lines. */
export interface Table {
  header: readonly string[];
  rows: readonly (readonly string[])[];
}

/** Characters that take two columns of a terminal (East Asian wide and full-width, emoji). */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** How many columns of a terminal a text takes. */
export const displayWidth = (text: string): number => {
  let width = 0;
  for (const char of text) width += wide.test(char) ? 2 : /\p{Mn}/u.test(char) ? 0 : 1;
  return width;
};

const centre = (text: string, width: number): string => {
  const gap = Math.max(0, width - displayWidth(text));
  const left = Math.floor(gap / 2);
  return ' '.repeat(left) + text + ' '.repeat(gap - left);
};

const left = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - displayWidth(text)));

const widths = (table: Table): number[] =>
  table.header.map((name, column) =>
    Math.max(
      displayWidth(name),
      ...table.rows.flatMap((row) => (row[column] ?? '').split('\n').map((line) => displayWidth(line))),
    ),
  );

const linesOf = (row: readonly string[], sizes: readonly number[], edge: string): string[] => {
  const cells = sizes.map((_, column) => (row[column] ?? '').split('\n'));
  const height = Math.max(...cells.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) => {
    const shown = cells.map((cell, column) => ` ${left(cell[line] ?? '', sizes[column] ?? 0)} `);
    return edge + shown.join(edge) + edge;
  });
};

/**
 * The widths of columns so that the table with its lines takes no more than `limit`: the widest columns give way first.
 * None gets narrower than its head, or than ten columns.
 */
const fitted = (natural: readonly number[], header: readonly string[], limit: number): number[] => {
  const sizes = [...natural];
  const least = natural.map((size, column) => Math.min(size, Math.max(10, displayWidth(header[column] ?? ''))));
  let excess = sizes.reduce((sum, size) => sum + size + 3, 1) - limit;
  while (excess > 0) {
    const able = sizes.map((size, column) => (size > (least[column] ?? 0) ? size : 0));
    const widest = Math.max(...able);
    if (widest <= 0) break;
    sizes[able.indexOf(widest)] = widest - 1;
    excess--;
  }
  return sizes;
};

/** A line broken where it gets wider than a column. */
const broken = (text: string, width: number): string[] => {
  const lines = [''];
  let used = 0;
  for (const char of text) {
    const size = displayWidth(char);
    if (used + size > width && used > 0) {
      lines.push('');
      used = 0;
    }
    lines.push(`${lines.pop()}${char}`);
    used += size;
  }
  return lines;
};

/** The table with its cells broken into lines, so that it is no wider than `limit` columns. */
export const fitTable = (table: Table, limit: number): Table => {
  const sizes = fitted(widths(table), table.header, limit);
  const rows = table.rows.map((row) =>
    row.map((cell, column) =>
      cell
        .split('\n')
        .flatMap((line) => broken(line, sizes[column] ?? 0))
        .join('\n'),
    ),
  );
  return { header: table.header, rows };
};

/** The table with lines around every row. */
export const drawTable = (table: Table): string => {
  const sizes = widths(table);
  const line = `+${sizes.map((size) => '-'.repeat(size + 2)).join('+')}+`;
  const header = `|${table.header.map((name, column) => ` ${centre(name, sizes[column] ?? 0)} `).join('|')}|`;
  const rows = table.rows.flatMap((row) => [...linesOf(row, sizes, '|'), line]);
  return `${[line, header, line, ...rows].join('\n')}\n`;
};

/** The table without lines, for narrow terminals. */
export const drawCompact = (table: Table): string => {
  const sizes = widths(table);
  const header = ` ${table.header.map((name, column) => ` ${centre(name, sizes[column] ?? 0)} `).join('')} `;
  const rows = table.rows.flatMap((row) => linesOf(row, sizes, '').map((line) => ` ${line} `));
  return `${[header, ...rows].join('\n')}\n`;
};

const csvCell = (cell: string): string => {
  if (cell === '\\.') return `"${cell}"`;
  const quoted = cell !== '' && (/[",\r\n]/.test(cell) || /^\s/u.test(cell));
  return quoted ? `"${cell.replaceAll('"', '""')}"` : cell;
};

/** The rows as comma-separated values, without the header. */
export const drawCsv = (table: Table): string => table.rows.map((row) => `${row.map(csvCell).join(',')}\n`).join('');

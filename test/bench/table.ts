export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly real: number;
  readonly limit?: number;
}

const number = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** A table with the ratio of ours to the real one, and to the physical limit where there is one. */
export const table = (rows: readonly Row[]): string => {
  const cells = rows.map((row) => [
    row.name,
    row.unit,
    number(row.ours),
    number(row.real),
    number(row.ours / row.real),
    row.limit === undefined ? '' : number(row.limit),
    row.limit === undefined ? '' : number(row.ours / row.limit),
  ]);
  const lines = [['', '', 'lxd-ts', 'LXD 5.0.2', 'ratio', 'bare tool', 'ratio'], ...cells];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map((line) =>
      line.map((cell, n) => (n < 2 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join('  '),
    )
    .join('\n');
};

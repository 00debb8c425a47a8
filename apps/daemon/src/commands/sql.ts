import { connect } from '@lxd-ts/client';
import { badRequest } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { directoriesOf } from '../core/directories.ts';

type Cell = string | number | null;
interface Result {
  readonly type: 'select' | 'exec';
  readonly columns: readonly string[] | null;
  readonly rows: readonly (readonly Cell[])[] | null;
  readonly rows_affected: number;
}
interface Answer {
  readonly Text?: string;
  readonly Results: readonly Result[];
}

/** A table as `lxd sql` prints it. */
const drawTable = (columns: readonly string[], rows: readonly (readonly Cell[])[]): string => {
  const cells = [columns, ...rows].map((row) => row.map((cell) => (cell === null ? '<nil>' : String(cell))));
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const line = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const [head = [], ...body] = cells.map(
    (row) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`,
  );
  return [line, head, line, ...body, line].flat().join('\n');
};

export const sqlCommand = defineCommand({
  meta: { name: 'sql', description: 'Execute a SQL query against the LXD local or global database', hidden: true },
  args: {
    database: { type: 'positional', description: 'local or global', required: true },
    query: {
      type: 'positional',
      description: 'the query; "-" reads it from standard input; .dump, .schema, .sync',
      required: true,
    },
  },
  async run({ args }) {
    if (args.database !== 'local' && args.database !== 'global')
      throw badRequest(`Invalid database "${args.database}": use local or global`);
    let { query } = args;
    if (query === '-') {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk);
      query = Buffer.concat(chunks).toString('utf8');
    }
    const client = connect({ kind: 'unix', socketPath: directoriesOf().socket });
    try {
      const envelope = await client.query('POST', '/internal/sql', { database: args.database, query });
      // The daemon beside this program wrote it: its shape is ours.
      const answer = envelope.metadata as Answer;
      if (answer.Text !== undefined) process.stdout.write(answer.Text);
      for (const [at, result] of answer.Results.entries()) {
        if (answer.Results.length > 1) process.stdout.write(`=> Query ${at}:\n\n`);
        process.stdout.write(
          result.type === 'exec'
            ? `Rows affected: ${result.rows_affected}\n`
            : `${drawTable(result.columns ?? [], result.rows ?? [])}\n`,
        );
        if (answer.Results.length > 1) process.stdout.write('\n');
      }
    } finally {
      client.close();
    }
  },
});

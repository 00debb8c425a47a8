/** A database as SQL text, from which `sqlite3` makes it anew. */
import type { Connection } from '../engine/connection.ts';

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The CREATE statements of all tables, or of everything else, in the order they were made. */
const definitions = ({ all }: Connection, what: 'tables' | 'others'): { name: string; sql: string }[] =>
  all(
    `SELECT name, sql FROM sqlite_master
      WHERE type ${what === 'tables' ? '=' : '<>'} 'table' AND sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
      ORDER BY rowid`,
    [],
  ).map(([name, sql]) => ({ name: String(name), sql: String(sql) }));

/** One INSERT for each row of a table. */
const inserts = ({ all }: Connection, table: string): string[] => {
  const columns = all('SELECT name FROM pragma_table_info(?)', [table]).map(([name]) => identifier(String(name)));
  const values = columns.map((column) => `quote(${column})`).join(` || ',' || `);
  return all(`SELECT ${values} FROM ${identifier(table)}`, []).map(
    ([row]) => `INSERT INTO ${identifier(table)} VALUES(${String(row)});`,
  );
};

/** Where the numbering of rows stands, so that no number is given out again. */
const counters = (connection: Connection): string[] => {
  const known = connection.get("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'", []);
  return known === undefined ? [] : ['DELETE FROM sqlite_sequence;', ...inserts(connection, 'sqlite_sequence')];
};

/** The statements that make the tables and indexes, empty. */
export const schemaText = (connection: Connection): string =>
  ['tables' as const, 'others' as const]
    .flatMap((what) => definitions(connection, what))
    .map(({ sql }) => `${sql};\n`)
    .join('');

/** The statements that make the database with all its rows. */
export const dumpText = (connection: Connection): string => {
  const lines = [
    'PRAGMA foreign_keys=OFF;',
    'BEGIN TRANSACTION;',
    ...definitions(connection, 'tables').flatMap(({ name, sql }) => [`${sql};`, ...inserts(connection, name)]),
    ...counters(connection),
    ...definitions(connection, 'others').map(({ sql }) => `${sql};`),
    'COMMIT;',
  ];
  return `${lines.join('\n')}\n`;
};

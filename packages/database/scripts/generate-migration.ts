/**
 * Writes the next migration of a database: the SQL that leads from the last migration's schema to the one in `src/schema`.
 *
 *     pnpm generate global add-tokens
 *
 * Look the SQL over before you commit it: drizzle-kit cannot know that a column was renamed rather than replaced, or what
 * the old rows should hold in a new one. A migration that has been released is never changed again.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type DrizzleSQLiteSnapshotJSON, generateSQLiteDrizzleJson, generateSQLiteMigration } from 'drizzle-kit/api';
import * as global from '../src/schema/global.ts';
import * as local from '../src/schema/local.ts';

const [kind, name] = process.argv.slice(2);
if ((kind !== 'global' && kind !== 'local') || name === undefined || !/^[a-z0-9-]+$/.test(name)) {
  throw new Error('usage: generate-migration.ts global|local <name>');
}

const directory = fileURLToPath(new URL(`../src/migrations/${kind}/`, import.meta.url));
const snapshotFile = fileURLToPath(new URL(`../migrations/${kind}.json`, import.meta.url));
const files = (await readdir(directory)).filter((file) => /^\d{4}-/.test(file));
const readSnapshot = async (): Promise<DrizzleSQLiteSnapshotJSON> => JSON.parse(await readFile(snapshotFile, 'utf8'));

const before = files.length === 0 ? await generateSQLiteDrizzleJson({}) : await readSnapshot();
const after = await generateSQLiteDrizzleJson(kind === 'global' ? { ...global } : { ...local }, before.id);
const statements = await generateSQLiteMigration(before, after);
if (statements.length === 0) throw new Error('the schema has not changed since the last migration');

const version = files.length + 1;
const sql = statements.map((statement) => statement.replaceAll('`', '"').trim()).join('\n');
const file = `${String(version).padStart(4, '0')}-${name}.ts`;
await writeFile(`${directory}${file}`, `export default /* sql */ \`\n${sql}\n\`;\n`);
await writeFile(snapshotFile, `${JSON.stringify(after, undefined, 2)}\n`);
process.stdout.write(`${directory}${file}: add it to src/migrations.ts\n`);

/**
 * Tells how much of docs/spec the last test run proves: `pnpm spec [--missing] [chapter…]`.
 * --missing lists the statements that no passing test names. Fails when a title names a statement that does not exist.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cover } from './spec/coverage.ts';
import { readChapter } from './spec/statements.ts';
import { readResults } from './test/results.ts';

const root = process.env.LXD_TS_SPEC_ROOT ?? join(import.meta.dirname, '..');
const wanted = process.argv.slice(2).filter((one) => !one.startsWith('--'));
const listMissing = process.argv.includes('--missing');

const filesIn = (folder: string, ending: string): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder))
        .filter((name) => name.endsWith(ending))
        .sort()
        .map((name) => join(root, folder, name))
    : [];

const chapters = filesIn('docs/spec', '.md').map((file) => readChapter(readFileSync(file, 'utf8')));
const reports = filesIn('.cache/test-results', '.json');
if (reports.length === 0) console.log('There is no test run to read: `npm test` makes one.\n');
const { chapters: rows, unknown } = cover(chapters, reports.flatMap(readResults));

const line = (label: string, proven: number, all: number) =>
  console.log(
    `${label.padEnd(58)} ${String(proven).padStart(5)} of ${String(all).padStart(4)}  ${Math.floor((100 * proven) / all)} %`,
  );

const shown = rows.filter((row) => wanted.length === 0 || wanted.includes(row.chapter.number));
for (const { chapter, proven, missing } of shown) {
  line(`${chapter.number} ${chapter.title}`, proven, chapter.statements.length);
  if (listMissing) for (const one of missing) console.log(`  ${one.id} ${one.text}`);
}
const sum = (pick: (row: (typeof rows)[number]) => number) => shown.reduce((total, row) => total + pick(row), 0);
line(
  'all',
  sum((row) => row.proven),
  sum((row) => row.chapter.statements.length),
);
for (const [id, title] of unknown) console.error(`There is no statement ${id}, which the test "${title}" names.`);
process.exitCode = unknown.size === 0 ? 0 : 1;

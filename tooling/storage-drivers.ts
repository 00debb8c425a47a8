/** Writes the tables of docs/storage-drivers.md from the drivers' own records: `pnpm docs:storage`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drivers } from './storage-drivers/drivers.ts';
import { pagePath, renewPage } from './storage-drivers/page.ts';

const path = join(import.meta.dirname, '..', pagePath);
writeFileSync(path, renewPage(readFileSync(path, 'utf8'), drivers));
console.log(`Wrote the tables of ${pagePath}.`);

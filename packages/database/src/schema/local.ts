/** The tables of the local database: what one member alone knows. */
import { sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { date } from './columns.ts';

/** The configuration of this member as a server (`core.https_address`, `storage.backups_volume`, …). */
export const config = sqliteTable('config', {
  key: text('key').primaryKey(),
  value: text('value').notNull(),
});

/** Changes the daemon made once to this host when it was upgraded, by name. */
export const patches = sqliteTable('patches', {
  name: text('name').primaryKey(),
  appliedDate: date('applied_date').notNull(),
});

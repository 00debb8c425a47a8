/**
 * The migrations of both databases, oldest first. They are modules rather than .sql files, so that they go wherever the
 * code goes: into a bundle, a package, or straight from the sources.
 */
import globalInitial from './migrations/global/0001-initial.ts';
import localInitial from './migrations/local/0001-initial.ts';

export interface Migration {
  /** What it is for, in a few words. */
  readonly name: string;
  readonly sql: string;
}

/** A database's version is the number of migrations it has been through. */
export const migrations: { readonly local: readonly Migration[]; readonly global: readonly Migration[] } = {
  local: [{ name: 'initial', sql: localInitial }],
  global: [{ name: 'initial', sql: globalInitial }],
};

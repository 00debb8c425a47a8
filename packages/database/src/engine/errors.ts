/**
 * What the database answers when it will not do something. The constraint errors carry what a service needs to tell
 * the user which name is taken; the rest are for the log.
 */
import { SqliteError } from 'better-sqlite3';

/** Anything the database refused. `code` is SQLite's extended result code, as `SQLITE_CONSTRAINT_UNIQUE`. */
export class DatabaseError extends Error {
  override readonly name: string = 'DatabaseError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A row with the same unique columns is there already. */
export class UniqueViolation extends DatabaseError {
  override readonly name = 'UniqueViolation';
  readonly table: string;
  /** SQL names of the columns that together must be unique. */
  readonly columns: readonly string[];

  constructor(table: string, columns: readonly string[], options?: ErrorOptions) {
    super('SQLITE_CONSTRAINT_UNIQUE', `A row of ${table} with the same ${columns.join(', ')} exists already`, options);
    this.table = table;
    this.columns = columns;
  }
}

/** A row points at one that is not there, or one that others point at was to be deleted. */
export class ForeignKeyViolation extends DatabaseError {
  override readonly name = 'ForeignKeyViolation';
}

/** Another process holds the database. Nothing was done: the transaction may be repeated. */
export class DatabaseBusy extends DatabaseError {
  override readonly name = 'DatabaseBusy';
}

export const notAllowed = (statement: string): DatabaseError =>
  new DatabaseError('SQLITE_MISUSE', `This statement may not be used here: ${statement}`);

/** `UNIQUE constraint failed: instances.project_id, instances.name` */
const uniqueColumns = /^UNIQUE constraint failed: (.+)$/;

/** Turns what better-sqlite3 threw into one of the errors above; anything else comes back as it is. */
export const toDatabaseError = (error: unknown): unknown => {
  if (!(error instanceof SqliteError)) return error;
  const { code, message } = error;
  const options = { cause: error };
  if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') {
    const columns = (uniqueColumns.exec(message)?.[1] ?? '').split(', ').map((column) => column.split('.'));
    return new UniqueViolation(
      columns[0]?.[0] ?? '',
      columns.map((column) => column[1] ?? ''),
      options,
    );
  }
  if (code === 'SQLITE_CONSTRAINT_FOREIGNKEY' || code === 'SQLITE_CONSTRAINT_TRIGGER') {
    return new ForeignKeyViolation(code, 'A row that others refer to is missing or still in use', options);
  }
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new DatabaseBusy(code, 'The database is in use by another process', options);
  }
  return new DatabaseError(code, message, options);
};

/**
 * Finds the database's own error in what was thrown. Inside a transaction's function drizzle wraps it in an error with
 * the text of the query; outside, it is the error itself.
 */
export const databaseError = (error: unknown): DatabaseError | undefined => {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof DatabaseError) return at;
  return undefined;
};

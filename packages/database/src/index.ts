export type { InferInsertModel, InferSelectModel } from 'drizzle-orm';
export {
  and,
  asc,
  count,
  desc,
  eq,
  exists,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  lte,
  max,
  min,
  ne,
  not,
  notInArray,
  or,
  sql,
  sum,
} from 'drizzle-orm';
export { type ConsoleResult, sqlConsole } from './console/console.ts';
export type { StatementResult } from './console/run.ts';
export { type Connection, maxParameters, type RunResult } from './engine/connection.ts';
export type { Database } from './engine/database.ts';
export {
  DatabaseBusy,
  DatabaseError,
  databaseError,
  ForeignKeyViolation,
  UniqueViolation,
} from './engine/errors.ts';
export { inList, type ListValue, matches, preparedCommand, preparedQuery, stored } from './engine/prepared.ts';
export type { Reader, Transaction } from './engine/transaction.ts';
export { schemaVersion } from './migrate.ts';
export { type DatabaseKind, type Databases, type OpenOptions, openDatabase, openDatabases } from './open.ts';
export * from './rows/bulk.ts';
export * from './rows/config.ts';
export * from './rows/devices.ts';
export * from './rows/initial.ts';
export type { BackupTable, ConfigTable, DeviceTable } from './schema/columns.ts';
export * as schema from './schema/global.ts';
export * as localSchema from './schema/local.ts';

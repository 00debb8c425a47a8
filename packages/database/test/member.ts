/** A database with the rows a server starts with. */
import { createInitialRows, type Database, openDatabase } from '../src/index.ts';

export const openGlobal = async (directory: string): Promise<Database> => {
  const db = await openDatabase({ directory, kind: 'global' });
  await db.transaction((tx) => createInitialRows(tx, { name: 'm1', address: '0.0.0.0', architecture: 'x86_64' }));
  return db;
};

/** The least an instance row needs. */
export const instanceRow = (name: string) => ({
  nodeId: 1,
  projectId: 1,
  name,
  architecture: 'x86_64',
  type: 'container' as const,
  creationDate: new Date(1_700_000_000_123),
});

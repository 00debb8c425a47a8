/** The tables of the global database: what all members of a cluster share. */
export * from './cluster.ts';
export * from './images.ts';
export * from './instances.ts';
export * from './networks.ts';
export * from './projects.ts';
export * from './storage.ts';

import type { ArgsDef } from 'citty';

/** Flags of the daemon itself, named as LXD's. */
export const daemonArgs = {
  group: { type: 'string', description: 'The group of users that will be allowed to talk to LXD' },
  logfile: { type: 'string', description: 'Path to the log file' },
  debug: { type: 'boolean', alias: 'd', description: 'Show all debug messages' },
  verbose: { type: 'boolean', alias: 'v', description: 'Show all information messages' },
} as const satisfies ArgsDef;

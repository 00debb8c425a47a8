import type { ConfigKey } from '@lxd-ts/driver-kit';

/** The configuration of a cluster member. */
export const clusterMemberKeys: readonly ConfigKey[] = [
  {
    key: 'scheduler.instance',
    type: 'string',
    default: 'all',
    values: ['all', 'manual', 'group'],
    description: 'Which placements may pick this member: any, explicit member target only, or member and group target',
  },
  { key: 'user.*', type: 'string', description: 'Free-form user metadata, usable in searches' },
];

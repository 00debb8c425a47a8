import type { ConfigKey } from '@lxd-ts/driver-kit';

export const diskKeys: readonly ConfigKey[] = [{ key: '*', type: 'string', description: 'Any key' }];

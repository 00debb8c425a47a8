import type { ConfigKey } from '@lxd-ts/driver-kit';

export const instanceKeys: readonly ConfigKey[] = [{ key: '*', type: 'string', description: 'Any key' }];

import type { ConfigKey } from '@lxd-ts/driver-kit';

export const serverKeys: readonly ConfigKey[] = [{ key: '*', type: 'string', description: 'Any key' }];

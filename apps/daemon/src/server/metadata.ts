import type { ConfigKey } from '@lxd-ts/driver-kit';
import { instanceKeys } from '../config/instance-keys.ts';
import { projectKeys } from '../config/project-keys.ts';
import { serverKeys } from '../config/server-keys.ts';

const describe = (key: ConfigKey) => ({
  [key.key]: {
    type: key.type,
    shortdesc: key.description,
    longdesc: '',
    ...(key.default === undefined ? {} : { defaultdesc: key.default }),
    ...(key.condition === undefined ? {} : { condition: key.condition }),
    ...(key.scope === undefined ? {} : { scope: key.scope }),
    ...(key.live === undefined ? {} : { liveupdate: key.live ? 'yes' : 'no' }),
  },
});

/** Groups keys by their first part, as the documentation does: `limits`, `security`, … */
const grouped = (keys: readonly ConfigKey[]) =>
  Object.fromEntries(
    [...Map.groupBy(keys, ({ key }) => (key.includes('.') ? (key.split('.')[0] ?? '') : 'miscellaneous'))].map(
      ([group, members]) => [group, { keys: members.map(describe) }],
    ),
  );

/** All configuration keys the server knows, read from their declarations (`GET /1.0/metadata/configuration`). */
export const configurationKeys = () => ({
  configs: { instance: grouped(instanceKeys), project: grouped(projectKeys), server: grouped(serverKeys) },
});

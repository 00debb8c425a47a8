import type { ClusterMember as Member } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { pick } from '../common/object.ts';
import { memberPlace } from './place.ts';
import { memberPut } from './shape.ts';

const use = '[<remote>:]<member> <role[,role...]>';

export const roleAdd = command({
  use,
  short: 'Add roles to a cluster member',
  args: [2, 2],
  run: async (cli, { args: [text = '', roles = ''] }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    const { value, etag } = await client.get<Member>(segments);
    const added = roles.split(',');
    const double = added.find((role) => value.roles.includes(role));
    if (double !== undefined) throw new UserError(`Member "${name}" already has role "${double}"`);
    await client.send('PUT', segments, { ...pick(value, memberPut), roles: [...value.roles, ...added] }, { etag });
  },
});

export const roleRemove = command({
  use,
  short: 'Remove roles from a cluster member',
  args: [2, 2],
  run: async (cli, { args: [text = '', roles = ''] }) => {
    const { client, segments, name } = await memberPlace(cli, text);
    const { value, etag } = await client.get<Member>(segments);
    const removed = roles.split(',');
    const missing = removed.find((role) => !value.roles.includes(role));
    if (missing !== undefined) throw new UserError(`Member "${name}" does not have role "${missing}"`);
    const kept = value.roles.filter((role) => !removed.includes(role));
    await client.send('PUT', segments, { ...pick(value, memberPut), roles: kept }, { etag });
  },
});

import { config, joined, type Struct, strings } from '../../yaml/shape.ts';

export const memberPut: Struct = {
  fields: { roles: strings, failure_domain: 'string', description: 'string', config, groups: strings },
};
export const memberShape: Struct = joined(memberPut, {
  fields: {
    server_name: 'string',
    url: 'string',
    database: 'bool',
    status: 'string',
    message: 'string',
    architecture: 'string',
  },
});

export const memberState: Struct = {
  fields: {
    sysinfo: {
      fields: {
        uptime: 'number',
        load_averages: { list: 'number' },
        total_ram: 'number',
        free_ram: 'number',
        shared_ram: 'number',
        buffered_ram: 'number',
        total_swap: 'number',
        free_swap: 'number',
        processes: 'number',
      },
    },
    storage_pools: {
      map: {
        fields: {
          space: { fields: { used: 'number', total: 'number' } },
          inodes: { fields: { used: 'number', total: 'number' } },
        },
      },
    },
  },
};

export const groupPut: Struct = { fields: { description: 'string', members: strings } };
export const groupShape: Struct = joined(groupPut, { fields: { name: 'string' } });

import { config, joined, type Struct, strings } from '../../yaml/shape.ts';

export const poolPut: Struct = { fields: { config, description: 'string' } };
export const poolShape: Struct = joined(poolPut, {
  fields: { name: 'string', driver: 'string', used_by: strings, status: 'string', locations: strings },
});

export const poolResources: Struct = {
  fields: {
    space: { fields: { used: 'number', total: 'number' }, omitEmpty: ['used'] },
    inodes: { fields: { used: 'number', total: 'number' } },
  },
};

export const volumePut: Struct = {
  fields: { config, description: 'string', restore: 'string' },
  omitEmpty: ['restore'],
};
export const volumeShape: Struct = joined(volumePut, {
  fields: {
    name: 'string',
    type: 'string',
    used_by: strings,
    location: 'string',
    content_type: 'string',
    project: 'string',
    created_at: 'time',
  },
});

export const volumeSnapshotPut: Struct = { fields: { description: 'string', expires_at: 'time' } };
export const volumeSnapshotShape: Struct = joined(volumeSnapshotPut, {
  fields: { name: 'string', config, content_type: 'string', created_at: 'time' },
});

export const bucketPut: Struct = { fields: { config, description: 'string' } };
export const bucketShape: Struct = joined(bucketPut, {
  fields: { name: 'string', s3_url: 'string', location: 'string' },
});

export const bucketKeyPut: Struct = {
  fields: { description: 'string', role: 'string', 'access-key': 'string', 'secret-key': 'string' },
};
export const bucketKeyShape: Struct = joined(bucketKeyPut, { fields: { name: 'string' } });

import { config, joined, type Struct, strings } from '../../yaml/shape.ts';

/** What of an image can be changed. */
export const imagePut: Struct = {
  fields: { auto_update: 'bool', properties: config, public: 'bool', expires_at: 'time', profiles: strings },
};

export const imageShape: Struct = joined(imagePut, {
  fields: {
    aliases: { list: { fields: { name: 'string', description: 'string' } } },
    architecture: 'string',
    cached: 'bool',
    filename: 'string',
    fingerprint: 'string',
    size: 'number',
    update_source: {
      fields: { alias: 'string', certificate: 'string', protocol: 'string', server: 'string', image_type: 'string' },
    },
    type: 'string',
    created_at: 'time',
    last_used_at: 'time',
    uploaded_at: 'time',
  },
  omitEmpty: ['update_source'],
});

export const imageAlias: Struct = {
  fields: { description: 'string', target: 'string', name: 'string', type: 'string' },
};

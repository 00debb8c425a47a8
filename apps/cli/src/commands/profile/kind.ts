import { config, devices, joined, type Struct, strings } from '../../yaml/shape.ts';
import { type Configurable, type ObjectKind, pick, required } from '../common/object.ts';

export const profilePut: Struct = { fields: { config, description: 'string', devices } };
export const profileShape: Struct = joined(profilePut, { fields: { name: 'string', used_by: strings } });

/** Profiles, as objects with `get`, `set`, `unset`, `show` and `edit`. */
export const profileKind: ObjectKind<Record<string, never>> = {
  use: '[<remote>:]<profile>',
  words: 1,
  flags: {},
  blankWhenUnset: true,
  shape: profileShape,
  putShape: profilePut,
  open: async (cli, [text = '']) => {
    const { client, name } = await cli.locate(text);
    const segments = ['profiles', required(name, 'profile name')];
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, profilePut), { etag });
      },
    };
  },
};

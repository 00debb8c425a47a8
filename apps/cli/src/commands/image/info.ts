import type { Image } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { isSet, minute } from '../../output/time.ts';
import { printYaml } from '../../yaml/print.ts';
import { editYaml } from '../common/edit.ts';
import { pick } from '../common/object.ts';
import { megabytes } from './list.ts';
import { findImage } from './remote.ts';
import { imagePut } from './shape.ts';
import { readImage } from './source.ts';

const vmFlag = { vm: bool('Query virtual machine images') };
const use = '[<remote>:]<image>';

const infoLines = (image: Image): string[] => [
  `Fingerprint: ${image.fingerprint}`,
  `Size: ${megabytes(image.size)}`,
  `Architecture: ${image.architecture}`,
  `Type: ${image.type}`,
  `Public: ${image.public ? 'yes' : 'no'}`,
  'Timestamps:',
  ...(isSet(image.created_at) ? [`    Created: ${minute(image.created_at)}`] : []),
  `    Uploaded: ${minute(image.uploaded_at)}`,
  `    Expires: ${isSet(image.expires_at) ? minute(image.expires_at) : 'never'}`,
  `    Last used: ${isSet(image.last_used_at) ? minute(image.last_used_at) : 'never'}`,
  'Properties:',
  ...Object.entries(image.properties).map(([key, value]) => `    ${key}: ${value}`),
  'Aliases:',
  ...image.aliases.map(({ name, description }) => (description ? `    - ${name} (${description})` : `    - ${name}`)),
  `Cached: ${image.cached ? 'yes' : 'no'}`,
  `Auto update: ${image.auto_update ? 'enabled' : 'disabled'}`,
  ...(image.update_source
    ? [
        'Source:',
        `    Server: ${image.update_source.server}`,
        `    Protocol: ${image.update_source.protocol}`,
        `    Alias: ${image.update_source.alias}`,
      ]
    : []),
  ...(image.profiles.length === 0
    ? ['Profiles: []']
    : ['Profiles:', ...image.profiles.map((profile) => `    - ${profile}`)]),
];

export const imageInfo = command({
  use,
  short: 'Show useful information about images',
  args: [1, 1],
  flags: vmFlag,
  run: async (cli, { args: [text = ''], flags }) => {
    out(`${infoLines(await findImage(cli, text, flags.vm)).join('\n')}\n`);
  },
});

export const imageShow = command({
  use,
  short: 'Show image properties',
  args: [1, 1],
  flags: vmFlag,
  run: async (cli, { args: [text = ''], flags }) => {
    out(printYaml(await findImage(cli, text, flags.vm), imagePut));
  },
});

export const imageGetProperty = command({
  use: `${use} <key>`,
  short: 'Get image properties',
  args: [2, 2],
  run: async (cli, { args: [text = '', key = ''] }) => {
    const value = (await findImage(cli, text, false)).properties[key];
    if (value === undefined) throw new UserError('Property not found');
    out(`${value}\n`);
  },
});

const change = async (
  cli: Parameters<typeof findImage>[0],
  text: string,
  edit: (properties: Record<string, string>) => Record<string, string>,
): Promise<void> => {
  const { client, name } = await cli.locate(text);
  const { value, etag } = await readImage(client, name);
  const body = { ...pick(value, imagePut), properties: edit(value.properties) };
  await client.send('PUT', ['images', value.fingerprint], body, { etag });
};

export const imageSetProperty = command({
  use: `${use} <key> <value>`,
  short: 'Set image properties',
  args: [3, 3],
  run: async (cli, { args: [text = '', key = '', value = ''] }) => {
    await change(cli, text, (properties) => ({ ...properties, [key]: value }));
  },
});

export const imageUnsetProperty = command({
  use: `${use} <key>`,
  short: 'Unset image properties',
  args: [2, 2],
  run: async (cli, { args: [text = '', key = ''] }) => {
    await change(cli, text, ({ [key]: _gone, ...kept }) => kept);
  },
});

export const imageEdit = command({
  use,
  short: 'Edit image properties',
  examples: `lxc image edit <image>
    Launch a text editor to edit the properties

lxc image edit <image> < image.yaml
    Load the image properties from a YAML file`,
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    const { value, etag } = await readImage(client, name);
    await editYaml({
      template: `### This is a YAML representation of the image properties.
### Any line starting with a '# will be ignored.
###
### Each property is represented by a single line:
### An example would be:
###  description: My custom image`,
      shape: imagePut,
      putShape: imagePut,
      read: async () => ({ value, etag }),
      write: async (edited, tag) => {
        // The reader gives a map for a struct.
        await client.send('PUT', ['images', value.fingerprint], edited as object, { etag: tag });
      },
    });
  },
});

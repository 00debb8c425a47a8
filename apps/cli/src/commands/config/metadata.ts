import { command } from '../../command/command.ts';
import { out } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import { config, type Struct, strings } from '../../yaml/shape.ts';
import { editYaml } from '../common/edit.ts';
import { required } from '../common/object.ts';

const imageMetadata: Struct = {
  fields: {
    architecture: 'string',
    creation_date: 'number',
    expiry_date: 'number',
    properties: config,
    templates: {
      map: { fields: { when: strings, create_only: 'bool', template: 'string', properties: config } },
    },
  },
};

const template = `### This is a YAML representation of the instance metadata.
### Any line starting with a '# will be ignored.
###
### A sample configuration looks like:
###
### architecture: x86_64
### creation_date: 1477146654
### expiry_date: 0
### properties:
###   architecture: x86_64
###   description: BusyBox x86_64
###   name: busybox-x86_64
###   os: BusyBox
### templates:
###   /template:
###     when:
###     - ""
###     create_only: false
###     template: template.tpl
###     properties: {}`;

export const metadataShow = command({
  use: '[<remote>:]<instance>',
  short: 'Show instance metadata files',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    const { value } = await client.get(['instances', required(name, 'instance name'), 'metadata']);
    out(printYaml(value, imageMetadata));
  },
});

export const metadataEdit = command({
  use: '[<remote>:]<instance>',
  short: 'Edit instance metadata files',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    const segments = ['instances', required(name, 'instance name'), 'metadata'];
    await editYaml({
      template,
      shape: imageMetadata,
      putShape: imageMetadata,
      read: () => client.get(segments),
      write: async (value, etag) => {
        // The reader gives a map for a struct.
        await client.send('PUT', segments, value as object, { etag });
      },
    });
  },
});

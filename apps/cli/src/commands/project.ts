import type { Project } from '@lxd-ts/api';
import { command, entry, group } from '../command/command.ts';
import { formatFlag, list as listFlag } from '../command/flags.ts';
import { saveConfig } from '../config/config.ts';
import { printListing } from '../output/format.ts';
import { compareRows } from '../output/sort.ts';
import { out } from '../output/streams.ts';
import { bytesIec } from '../output/units.ts';
import { config, joined, type Struct, strings } from '../yaml/shape.ts';
import {
  type Configurable,
  editCommand,
  getCommand,
  type ObjectKind,
  pick,
  required,
  setCommand,
  showCommand,
  unsetCommand,
} from './common/object.ts';
import { operate } from './common/operate.ts';
import { configOptions } from './instance/create.ts';
import { serverInfo } from './server.ts';

const projectPut: Struct = { fields: { config, description: 'string' } };
const projectShape: Struct = joined(projectPut, { fields: { name: 'string', used_by: strings } });

const use = '[<remote>:]<project>';

const kind: ObjectKind<Record<string, never>> = {
  use,
  words: 1,
  flags: {},
  blankWhenUnset: true,
  shape: projectShape,
  putShape: projectPut,
  open: async (cli, [text = '']) => {
    const { client, name } = await cli.locate(text);
    const segments = ['projects', required(name, 'project name')];
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, projectPut), { etag });
      },
    };
  },
};

const create = command({
  use,
  short: 'Create projects',
  args: [1, 1],
  flags: { config: listFlag('Config key/value to apply to the new project', { short: 'c' }) },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['projects'], {
      name: required(name, 'project name'),
      description: '',
      config: configOptions(flags.config),
    });
    if (!cli.global.quiet) out(`Project ${name} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete projects',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, remote, name } = await cli.locate(text);
    await client.send('DELETE', ['projects', required(name, 'project name')]);
    const configured = cli.config.remotes.get(remote);
    if (configured?.project === name) {
      // Whoever worked in the project works in the default one from now on.
      configured.project = '';
      saveConfig(cli.config);
    }
    if (!cli.global.quiet) out(`Project ${name} deleted\n`);
  },
});

const feature = (project: Project, key: string): string => (project.config[key] === 'true' ? 'YES' : 'NO');

const list = command({
  use: '[<remote>:]',
  short: 'List projects',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, remote } = await cli.locate(text);
    const [{ value }, { api_extensions: extensions }] = await Promise.all([
      client.get<Project[]>(['projects'], { recursion: 1 }),
      serverInfo(client),
    ]);
    const current = cli.config.remotes.get(remote)?.project || 'default';
    const features: [head: string, key: string, extension: string][] = [
      ['IMAGES', 'features.images', ''],
      ['PROFILES', 'features.profiles', ''],
      ['STORAGE VOLUMES', 'features.storage.volumes', ''],
      ['STORAGE BUCKETS', 'features.storage.buckets', 'storage_buckets'],
      ['NETWORKS', 'features.networks', ''],
      ['NETWORK ZONES', 'features.networks.zones', 'projects_networks_zones'],
    ];
    const known = features.filter(([, , extension]) => extension === '' || extensions.includes(extension));
    printListing(flags.format, {
      header: ['NAME', ...known.map(([head]) => head), 'DESCRIPTION', 'USED BY'],
      rows: value
        .map((project) => [
          project.name === current ? `${project.name} (current)` : project.name,
          ...known.map(([, key]) => feature(project, key)),
          project.description,
          String(project.used_by?.length ?? 0),
        ])
        .sort(compareRows),
      data: value,
      shape: { list: projectShape },
    });
  },
});

const rename = command({
  use: `${use} <new-name>`,
  short: 'Rename projects',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, name } = await cli.locate(text);
    await operate(cli, client, 'POST', ['projects', required(name, 'project name')], { name: renamed });
    if (!cli.global.quiet) out(`Project ${name} renamed to ${renamed}\n`);
  },
});

const switchProject = command({
  use,
  short: 'Switch the current project',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, remote, name } = await cli.locate(text);
    const configured = cli.config.remotes.get(remote);
    await client.get(['projects', required(name, 'project name')]);
    if (configured) configured.project = name;
    saveConfig(cli.config);
  },
});

const bytesIn = ['disk', 'memory'];

const info = command({
  use: `${use} <key>`,
  short: 'Get a summary of resource allocations',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name: project } = await cli.locate(text);
    const { value } = await client.get<{ resources: Record<string, { Limit: number; Usage: number }> }>([
      'projects',
      required(project, 'project name'),
      'state',
    ]);
    // The API spells the fields with capitals, the reference client prints them small in YAML.
    const small = Object.entries(value.resources).map(([name, { Limit: limit, Usage: usage }]) => [
      name,
      { limit, usage },
    ]);
    const amount = (resource: string, number: number): string =>
      bytesIn.includes(resource) ? bytesIec(number, 2) : String(number);
    printListing(flags.format, {
      header: ['RESOURCE', 'LIMIT', 'USAGE'],
      rows: Object.entries(value.resources)
        .map(([resource, { Limit: limit, Usage: usage }]) => [
          resource.toUpperCase(),
          limit < 0 ? 'UNLIMITED' : amount(resource, limit),
          amount(resource, usage),
        ])
        .sort(compareRows),
      data: flags.format === 'yaml' ? { resources: Object.fromEntries(small) } : value,
      shape: 'any',
    });
  },
});

const edit = editCommand(
  kind,
  {
    short: 'Edit project configurations as YAML',
    examples: `lxc project edit <project> < project.yaml
    Update a project using the content of project.yaml`,
  },
  `### This is a YAML representation of the project.
### Any line starting with a '# will be ignored.
###
### A project consists of a set of features and a description.
###
### An example would look like:
### name: my-project
### features:
###   images: True
###   profiles: True
### description: My own project
###
### Note that the name is shown but cannot be changed`,
);

const set = setCommand(kind, {
  short: 'Set project configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc project set [<remote>:]<project> <key> <value>`,
});

export const project = group({ short: 'Manage projects' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () => getCommand(kind, { short: 'Get values for project configuration keys' })),
  entry('info', [], async () => info),
  entry('list', ['ls'], async () => list),
  entry('rename', ['mv'], async () => rename),
  entry('set', [], async () => set),
  entry('show', [], async () => showCommand(kind, { short: 'Show project options' })),
  entry('switch', [], async () => switchProject),
  entry('unset', [], async () => unsetCommand(kind, { short: 'Unset project configuration keys' })),
]);

import { command, entry, group } from '../command/command.ts';
import { UserError } from '../command/errors.ts';
import { formatFlag } from '../command/flags.ts';
import { saveConfig } from '../config/config.ts';
import { printListing } from '../output/format.ts';
import { compareRows } from '../output/sort.ts';
import { config } from '../yaml/shape.ts';

const add = command({
  use: '<alias> <target>',
  short: 'Add new aliases',
  examples: `lxc alias add list "list -c ns46S"
    Overwrite the "list" command to pass -c ns46S.`,
  args: [2, 2],
  run: async (cli, { args: [name = '', target = ''] }) => {
    const { aliases } = cli.config;
    if (aliases.has(name)) throw new UserError(`Alias ${name} already exists`);
    aliases.set(name, target);
    saveConfig(cli.config);
  },
});

const list = command({
  use: '',
  short: 'List aliases',
  args: [0, 0],
  flags: { format: formatFlag },
  run: async (cli, { flags }) => {
    const { aliases } = cli.config;
    printListing(flags.format, {
      header: ['ALIAS', 'TARGET'],
      rows: [...aliases].sort(compareRows),
      data: Object.fromEntries(aliases),
      shape: config,
    });
  },
});

const remove = command({
  use: '<alias>',
  short: 'Remove aliases',
  examples: `lxc alias remove my-list
    Remove the "my-list" alias.`,
  args: [1, 1],
  run: async (cli, { args: [name = ''] }) => {
    if (!cli.config.aliases.delete(name)) throw new UserError(`Alias ${name} doesn't exist`);
    saveConfig(cli.config);
  },
});

const rename = command({
  use: '<old alias> <new alias>',
  short: 'Rename aliases',
  examples: `lxc alias rename list my-list
    Rename existing alias "list" to "my-list".`,
  args: [2, 2],
  run: async (cli, { args: [name = '', renamed = ''] }) => {
    const { aliases } = cli.config;
    const target = aliases.get(name);
    if (target === undefined) throw new UserError(`Alias ${name} doesn't exist`);
    if (aliases.has(renamed)) throw new UserError(`Alias ${renamed} already exists`);
    aliases.set(renamed, target);
    aliases.delete(name);
    saveConfig(cli.config);
  },
});

export const alias = group({ short: 'Manage command aliases' }, [
  entry('add', [], async () => add),
  entry('list', ['ls'], async () => list),
  entry('remove', ['rm'], async () => remove),
  entry('rename', ['mv'], async () => rename),
]);

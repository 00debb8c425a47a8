import type { NetworkACL as Acl } from '@lxd-ts/api';
import { command, entry, group } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, formatFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
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
} from '../common/object.ts';
import { readBody } from '../common/raw.ts';
import { createProperties, splitPair } from '../common/values.ts';
import { aclPut, aclRule, aclShape } from './shape.ts';

type Rule = Record<string, string>;

const use = '[<remote>:]<ACL>';

const kind: ObjectKind<Record<string, never>> = {
  use,
  words: 1,
  flags: {},
  ordersUsers: true,
  shape: aclShape,
  putShape: aclPut,
  open: async (cli, [text = '']) => {
    const { client, name } = await cli.locate(text);
    const segments = ['network-acls', required(name, 'network ACL name')];
    return {
      read: () => client.get<Configurable>(segments),
      write: async (value, etag) => {
        await client.send('PUT', segments, pick(value, aclPut), { etag });
      },
    };
  },
};

const create = command({
  use: `${use} [key=value...]`,
  short: 'Create new network ACLs',
  args: [1, Number.POSITIVE_INFINITY],
  run: async (cli, { args: [text = '', ...words] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['network-acls'], {
      name: required(name, 'network ACL name'),
      description: '',
      config: createProperties(words),
      ingress: [],
      egress: [],
    });
    if (!cli.global.quiet) out(`Network ACL ${name} created\n`);
  },
});

const remove = command({
  use,
  short: 'Delete network ACLs',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['network-acls', required(name, 'network ACL name')]);
    if (!cli.global.quiet) out(`Network ACL ${name} deleted\n`);
  },
});

const rename = command({
  use: `${use} <new-name>`,
  short: 'Rename network ACLs',
  args: [2, 2],
  run: async (cli, { args: [text = '', renamed = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('POST', ['network-acls', required(name, 'network ACL name')], { name: renamed });
    if (!cli.global.quiet) out(`Network ACL ${name} renamed to ${renamed}\n`);
  },
});

const list = command({
  use: '[<remote>:]',
  short: 'List available network ACLS',
  title: 'List available network ACL',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const { value } = await client.get<Acl[]>(['network-acls'], { recursion: 1 });
    printListing(flags.format, {
      header: ['NAME', 'DESCRIPTION', 'USED BY'],
      rows: value
        .map(({ name, description, used_by }) => [name, description, String(used_by?.length ?? 0)])
        .sort(compareRows),
      data: value,
      shape: { list: aclShape },
    });
  },
});

const showLog = command({
  use,
  short: 'Show network ACL log',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    out(await readBody(client, ['network-acls', required(name, 'network ACL name'), 'log']));
  },
});

const isDirection = (text: string): text is 'ingress' | 'egress' => text === 'ingress' || text === 'egress';

/** The direction and the properties of a rule, as typed. Throws UserError in the reference client's words. */
const readRule = (direction: string, words: readonly string[]): { direction: 'ingress' | 'egress'; rule: Rule } => {
  if (!isDirection(direction)) throw new UserError('The direction argument must be one of: ingress, egress');
  const rule: Rule = {};
  for (const word of words) {
    const pair = splitPair(word);
    if (pair === undefined) throw new UserError(`Invalid key=value configuration: ${word}`);
    if (!(pair[0] in aclRule.fields)) throw new UserError(`Unknown key: ${pair[0]}`);
    rule[pair[0]] = pair[1];
  }
  return { direction, rule };
};

const ruleUse = `${use} <direction> <key>=<value>...`;

const ruleAdd = command({
  use: ruleUse,
  short: 'Add rules to an ACL',
  args: [3, Number.POSITIVE_INFINITY],
  run: async (cli, { args: [text = '', where = '', ...words] }) => {
    const { direction, rule } = readRule(where, words);
    const { client, name } = await cli.locate(text);
    const segments = ['network-acls', required(name, 'network ACL name')];
    const { value, etag } = await client.get<Acl>(segments);
    const added = { state: 'enabled', ...rule };
    await client.send('PUT', segments, { ...pick(value, aclPut), [direction]: [...value[direction], added] }, { etag });
  },
});

const ruleRemove = command({
  use: ruleUse,
  short: 'Remove rules from an ACL',
  args: [2, Number.POSITIVE_INFINITY],
  flags: { force: bool('Remove all rules that match') },
  run: async (cli, { args: [text = '', where = '', ...words], flags }) => {
    const { direction, rule } = readRule(where, words);
    const { client, name } = await cli.locate(text);
    const segments = ['network-acls', required(name, 'network ACL name')];
    const { value, etag } = await client.get<Acl>(segments);
    const matches = (found: object): boolean => {
      const fields = new Map(Object.entries(found));
      return Object.entries(rule).every(([key, wanted]) => (fields.get(key) ?? '') === wanted);
    };
    const hit = value[direction].filter(matches).length;
    if (hit === 0) throw new UserError('No matching rule(s) found');
    if (hit > 1 && !flags.force) throw new UserError('Multiple rules match. Use --force to remove them all');
    const kept = value[direction].filter((found) => !matches(found));
    await client.send('PUT', segments, { ...pick(value, aclPut), [direction]: kept }, { etag });
  },
});

const rule = group(
  { short: 'Manage network ACL rules' },
  [entry('add', [], async () => ruleAdd), entry('remove', [], async () => ruleRemove)],
  { helpful: true },
);

const edit = editCommand(
  kind,
  { short: 'Edit network ACL configurations as YAML' },
  `### This is a YAML representation of the network ACL.
### Any line starting with a '# will be ignored.
###
### A network ACL consists of a set of rules and configuration items.
###
### An example would look like:
### name: allow-all-inbound
### description: test desc
### egress: []
### ingress:
### - action: allow
###   state: enabled
###   protocol: ""
###   source: ""
###   source_port: ""
###   destination: ""
###   destination_port: ""
###   icmp_type: ""
###   icmp_code: ""
### config:
###  user.foo: bah
###
### Note that only the ingress and egress rules, description and configuration keys can be changed.`,
);

const set = setCommand(kind, {
  short: 'Set network ACL configuration keys',
  long: `For backward compatibility, a single configuration key may still be set with:
    lxc network set [<remote>:]<ACL> <key> <value>`,
});

export const acl = group({ short: 'Manage network ACLs' }, [
  entry('create', [], async () => create),
  entry('delete', ['rm'], async () => remove),
  entry('edit', [], async () => edit),
  entry('get', [], async () => getCommand(kind, { short: 'Get values for network ACL configuration keys' })),
  entry('list', ['ls'], async () => list),
  entry('rename', ['mv'], async () => rename),
  entry('rule', [], async () => rule),
  entry('set', [], async () => set),
  entry('show', [], async () => showCommand(kind, { short: 'Show network ACL configurations' })),
  entry('show-log', [], async () => showLog),
  entry('unset', [], async () => unsetCommand(kind, { short: 'Unset network ACL configuration keys' })),
]);

import { type Flags, globalFlags } from '../command/flags.ts';
import { type Called, description, flagLines, indent, inherited, leafUsage, rootFlags } from '../command/help.ts';
import { printYaml } from '../yaml/print.ts';
import type { Struct } from '../yaml/shape.ts';

/** All that a page says of a command, whatever the format. */
export interface Page {
  /** The words that call it, e.g. `lxc config device`. */
  name: string;
  short: string;
  description: string;
  /** How it is called; nothing for the program itself. */
  usage: string;
  examples: string | undefined;
  flags: Flags;
  inherited: Flags;
  related: { name: string; short: string }[];
}

const shortOf = ({ node }: Called): string => (node.kind === 'leaf' ? node.spec : node.words).short;

/** Gathers the page of a command; its parent and its own commands are what it points to. */
export const pageFor = (called: Called, parent: Called | undefined, children: readonly Called[]): Page => {
  const { node, path } = called;
  const name = path.join(' ');
  const isRoot = parent === undefined;
  const usage = node.kind === 'leaf' ? leafUsage(name, node) : node.helpful || isRoot ? '' : `${name} [flags]`;
  const own = node.kind === 'leaf' ? (node.spec.flags ?? {}) : {};
  const flags = isRoot ? { ...rootFlags, ...globalFlags } : own;
  return {
    name,
    short: shortOf(called),
    description: description(node),
    usage,
    examples: node.kind === 'leaf' ? node.spec.examples : undefined,
    flags,
    inherited: isRoot ? {} : inherited(flags),
    related: [...(parent ? [parent] : []), ...children].map((other) => ({
      name: other.path.join(' '),
      short: shortOf(other),
    })),
  };
};

interface Renderer {
  file(page: Page): string;
  render(page: Page): string;
}

const joined = (name: string, by: string): string => name.replaceAll(' ', by);
const some = (flags: Flags): boolean => Object.keys(flags).length > 0;

const markdown: Renderer = {
  file: ({ name }) => `${joined(name, '_')}.md`,
  render: ({ name, short, description: text, usage, examples, flags, inherited: others, related }) =>
    [
      `## ${name}\n`,
      `${short}\n`,
      '### Synopsis\n',
      `${text}\n\n\n`,
      ...(usage === '' ? [] : [`\`\`\`\n${usage}\n\`\`\`\n`]),
      ...(examples === undefined ? [] : [`### Examples\n\n\`\`\`\n${indent(examples)}\n\`\`\`\n`]),
      ...(some(flags) ? [`### Options\n\n\`\`\`\n${flagLines(flags)}\n\`\`\`\n`] : []),
      ...(some(others) ? [`### Options inherited from parent commands\n\n\`\`\`\n${flagLines(others)}\n\`\`\`\n`] : []),
      `### SEE ALSO\n\n${related.map((other) => `* [${other.name}](${joined(other.name, '_')}.md)\t - ${other.short}\n`).join('')}`,
    ].join('\n'),
};

const section = (title: string, by: string): string => `${title}\n${by.repeat(title.length)}\n`;
const literal = (text: string): string => `::\n\n${text}\n`;

const rest: Renderer = {
  file: ({ name }) => `${joined(name, '_')}.rst`,
  render: ({ name, short, description: text, usage, examples, flags, inherited: others, related }) =>
    [
      `.. _${joined(name, '_')}:\n`,
      section(name, '-'),
      `${short}\n`,
      section('Synopsis', '~'),
      `\n${text}\n\n\n`,
      ...(usage === '' ? [] : [literal(`  ${usage}`)]),
      ...(examples === undefined ? [] : [section('Examples', '~'), literal(indent(examples, '    '))]),
      ...(some(flags) ? [section('Options', '~'), literal(flagLines(flags))] : []),
      ...(some(others) ? [section('Options inherited from parent commands', '~'), literal(flagLines(others))] : []),
      section('SEE ALSO', '~'),
      related.map((other) => `* \`${other.name} <${joined(other.name, '_')}.rst>\`_ \t - ${other.short}\n`).join(''),
    ].join('\n'),
};

/** Protects what roff would take for requests or escapes. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');

const roffFlags = (title: string, flags: Flags): string[] =>
  some(flags)
    ? [
        `.SH ${title}`,
        ...Object.entries(flags).map(([name, flag]) => {
          const short = flag.short ? `\\fB\\-${flag.short}\\fP, ` : '';
          const standard = flag.kind === 'bool' ? '[=false]' : `="${roff(String(flag.default ?? ''))}"`;
          return `.TP\n${short}\\fB\\-\\-${roff(name)}\\fP${standard}\n${roff(flag.description)}`;
        }),
      ]
    : [];

const man: Renderer = {
  file: ({ name }) => `${joined(name, '.')}.1`,
  render: ({ name, short, description: text, usage, examples, flags, inherited: others, related }) =>
    [
      `.TH "${joined(name, '-').toUpperCase()}" "1" "" "LXD" "LXD - Command line client"`,
      `.SH NAME\n${roff(joined(name, '-'))} \\- ${roff(short)}`,
      ...(usage === '' ? [] : [`.SH SYNOPSIS\n.nf\n${roff(usage)}\n.fi`]),
      `.SH DESCRIPTION\n.nf\n${roff(text)}\n.fi`,
      ...roffFlags('OPTIONS', flags),
      ...roffFlags('OPTIONS INHERITED FROM PARENT COMMANDS', others),
      ...(examples === undefined ? [] : [`.SH EXAMPLE\n.nf\n${roff(examples)}\n.fi`]),
      `.SH SEE ALSO\n${related.map((other) => `\\fB${roff(joined(other.name, '-'))}\\fP(1)`).join(', ')}`,
      '',
    ].join('\n'),
};

const option: Struct = {
  fields: { name: 'string', shorthand: 'string', default_value: 'string', usage: 'string' },
  omitEmpty: ['shorthand', 'default_value'],
};
const pageShape: Struct = {
  fields: {
    name: 'string',
    synopsis: 'string',
    description: 'string',
    usage: 'string',
    options: { list: option },
    inherited_options: { list: option },
    example: 'string',
    see_also: { list: 'string' },
  },
  omitEmpty: ['usage', 'options', 'inherited_options', 'example'],
};

const options = (flags: Flags) =>
  Object.entries(flags).map(([name, flag]) => ({
    name,
    shorthand: flag.short ?? '',
    default_value: flag.kind === 'bool' ? 'false' : flag.kind === 'list' ? '[]' : String(flag.default ?? ''),
    usage: flag.description,
  }));

const yaml: Renderer = {
  file: ({ name }) => `${joined(name, '_')}.yaml`,
  render: (page) =>
    printYaml(
      {
        name: page.name,
        synopsis: page.short,
        description: `${page.description}\n`,
        usage: page.usage,
        options: options(page.flags),
        inherited_options: options(page.inherited),
        example: page.examples,
        see_also: page.related.map(({ name, short }) => `${name} - ${short}`),
      },
      pageShape,
    ),
};

/** A renderer for each `--format`. */
export const renderers: Record<string, Renderer> = { man, md: markdown, rest, yaml };

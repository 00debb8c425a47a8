import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command, type Group } from '../command/command.ts';
import { UserError } from '../command/errors.ts';
import { string } from '../command/flags.ts';
import type { Called } from '../command/help.ts';
import { type Page, pageFor, renderers } from './manpage-formats.ts';
import { root } from './root.ts';

/** The pages of a command and of all below it; hidden ones are left out, as they are in the help. */
const pagesOf = async (called: Called, parent: Called | undefined): Promise<Page[]> => {
  const children: Called[] = [];
  if (called.node.kind === 'group') {
    for (const [name, { aliases, hidden, load }] of [...called.node.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (hidden || name === 'help') continue;
      children.push({ path: [...called.path, name], node: await load(), names: [name, ...aliases] });
    }
  }
  const page = pageFor(called, parent, children);
  const below = await Promise.all(children.map((child) => pagesOf(child, called)));
  return [page, ...below.flat()];
};

const start: { node: Group } & Called = { path: ['lxc'], node: root, names: ['lxc'] };

export const manpage = command({
  use: '<target>',
  short: 'Generate manpages for all commands',
  args: [1, 1],
  flags: { format: string('Format (man|md|rest|yaml)', { short: 'f', default: 'man' }) },
  run: async (_cli, { args: [target = ''], flags }) => {
    const renderer = renderers[flags.format];
    if (renderer === undefined) throw new UserError(`Invalid format "${flags.format}", use man, md, rest or yaml`);
    if (!existsSync(target) || !statSync(target).isDirectory()) {
      throw new UserError(`${target} is not a directory to write the pages to`);
    }
    for (const page of await pagesOf(start, undefined)) {
      writeFileSync(join(target, renderer.file(page)), renderer.render(page));
    }
  },
});

import { entry, group } from '../command/command.ts';

/** The program itself: every command, loaded when it is called. */
export const root = group(
  {
    short: 'Command line client for LXD',
    long: `All of LXD's features can be driven through the various commands below.
For help with any of those, simply call them with --help.`,
  },
  [entry('list', ['ls'], () => import('./instance/list.ts').then((m) => m.list))],
  { helpful: true },
);

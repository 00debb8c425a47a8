import { entry, group } from '../command/command.ts';

const hidden = { hidden: true };

/** The program itself: every command, loaded when it is called. */
export const root = group(
  {
    short: 'Command line client for LXD',
    long: `All of LXD's features can be driven through the various commands below.
For help with any of those, simply call them with --help.`,
  },
  [
    entry('config', [], () => import('./config/config.ts').then((m) => m.config)),
    entry('console', [], () => import('./instance/console.ts').then((m) => m.consoleCommand)),
    entry('delete', ['rm'], () => import('./instance/delete.ts').then((m) => m.deleteInstance)),
    entry('exec', [], () => import('./instance/exec.ts').then((m) => m.exec)),
    entry('file', [], () => import('./file/file.ts').then((m) => m.file)),
    entry('help', [], () => import('./help.ts').then((m) => m.helpCommand)),
    entry('info', [], () => import('./instance/info.ts').then((m) => m.info)),
    entry('init', [], () => import('./instance/create.ts').then((m) => m.init), hidden),
    entry('launch', [], () => import('./instance/create.ts').then((m) => m.launch)),
    entry('list', ['ls'], () => import('./instance/list.ts').then((m) => m.list)),
    entry('pause', ['freeze'], () => import('./instance/action.ts').then((m) => m.pause), hidden),
    entry('profile', [], () => import('./profile/profile.ts').then((m) => m.profile)),
    entry('restart', [], () => import('./instance/action.ts').then((m) => m.restart)),
    entry('start', [], () => import('./instance/action.ts').then((m) => m.start)),
    entry('stop', [], () => import('./instance/action.ts').then((m) => m.stop)),
  ],
);

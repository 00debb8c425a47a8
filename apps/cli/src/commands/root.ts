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
    entry('__complete', [], () => import('./completion.ts').then((m) => m.complete), hidden),
    entry('alias', [], () => import('./alias.ts').then((m) => m.alias)),
    entry('cluster', [], () => import('./cluster/cluster.ts').then((m) => m.cluster)),
    entry('completion', [], () => import('./completion.ts').then((m) => m.completion), hidden),
    entry('config', [], () => import('./config/config.ts').then((m) => m.config)),
    entry('console', [], () => import('./instance/console.ts').then((m) => m.consoleCommand)),
    entry('copy', ['cp'], () => import('./instance/copy.ts').then((m) => m.copy)),
    entry('delete', ['rm'], () => import('./instance/delete.ts').then((m) => m.deleteInstance)),
    entry('exec', [], () => import('./instance/exec.ts').then((m) => m.exec)),
    entry('export', [], () => import('./instance/backup.ts').then((m) => m.exportInstance)),
    entry('file', [], () => import('./file/file.ts').then((m) => m.file)),
    entry('help', [], () => import('./help.ts').then((m) => m.helpCommand)),
    entry('image', [], () => import('./image/image.ts').then((m) => m.image)),
    entry('import', [], () => import('./instance/backup.ts').then((m) => m.importInstance)),
    entry('info', [], () => import('./instance/info.ts').then((m) => m.info)),
    entry('init', [], () => import('./instance/create.ts').then((m) => m.init), hidden),
    entry('launch', [], () => import('./instance/create.ts').then((m) => m.launch)),
    entry('list', ['ls'], () => import('./instance/list.ts').then((m) => m.list)),
    entry('manpage', [], () => import('./manpage.ts').then((m) => m.manpage), hidden),
    entry('monitor', [], () => import('./monitor.ts').then((m) => m.monitor), hidden),
    entry('move', ['mv'], () => import('./instance/move.ts').then((m) => m.move)),
    entry('network', [], () => import('./network/network.ts').then((m) => m.network)),
    entry('operation', [], () => import('./operation.ts').then((m) => m.operation)),
    entry('pause', ['freeze'], () => import('./instance/action.ts').then((m) => m.pause), hidden),
    entry('profile', [], () => import('./profile/profile.ts').then((m) => m.profile)),
    entry('project', [], () => import('./project.ts').then((m) => m.project)),
    entry('publish', [], () => import('./instance/publish.ts').then((m) => m.publish)),
    entry('query', [], () => import('./query.ts').then((m) => m.query), hidden),
    entry('rebuild', [], () => import('./instance/rebuild.ts').then((m) => m.rebuild)),
    entry('remote', [], () => import('./remote/remote.ts').then((m) => m.remote)),
    entry('rename', [], () => import('./instance/move.ts').then((m) => m.rename)),
    entry('restart', [], () => import('./instance/action.ts').then((m) => m.restart)),
    entry('restore', [], () => import('./instance/snapshot.ts').then((m) => m.restore)),
    entry('snapshot', [], () => import('./instance/snapshot.ts').then((m) => m.snapshot)),
    entry('start', [], () => import('./instance/action.ts').then((m) => m.start)),
    entry('stop', [], () => import('./instance/action.ts').then((m) => m.stop)),
    entry('storage', [], () => import('./storage/storage.ts').then((m) => m.storage)),
    entry('version', [], () => import('./version.ts').then((m) => m.versionCommand)),
    entry('warning', [], () => import('./warning.ts').then((m) => m.warning)),
  ],
);

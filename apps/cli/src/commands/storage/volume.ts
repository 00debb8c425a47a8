import { entry, group } from '../../command/command.ts';

const attach = () => import('./volume-attach.ts');
const manage = () => import('./volume-manage.ts');
const values = () => import('./volume-values.ts');
const backup = () => import('./volume-backup.ts');
const copy = () => import('./volume-copy.ts');

export const volume = group(
  {
    short: 'Manage storage volumes',
    long: 'Unless specified through a prefix, all volume operations affect "custom" (user created) volumes.',
  },
  [
    entry('attach', [], () => attach().then((m) => m.volumeAttach)),
    entry('attach-profile', [], () => attach().then((m) => m.volumeAttachProfile)),
    entry('copy', ['cp'], () => copy().then((m) => m.volumeCopy)),
    entry('create', [], () => manage().then((m) => m.volumeCreate)),
    entry('delete', ['rm'], () => manage().then((m) => m.volumeDelete)),
    entry('detach', [], () => attach().then((m) => m.volumeDetach)),
    entry('detach-profile', [], () => attach().then((m) => m.volumeDetachProfile)),
    entry('edit', [], () => values().then((m) => m.volumeEdit)),
    entry('export', [], () => backup().then((m) => m.volumeExport)),
    entry('get', [], () => values().then((m) => m.volumeGet)),
    entry('import', [], () => backup().then((m) => m.volumeImport)),
    entry('info', [], () => import('./volume-info.ts').then((m) => m.volumeInfo)),
    entry('list', ['ls'], () => import('./volume-list.ts').then((m) => m.volumeList)),
    entry('move', ['mv'], () => copy().then((m) => m.volumeMove)),
    entry('rename', [], () => manage().then((m) => m.volumeRename)),
    entry('restore', [], () => manage().then((m) => m.volumeRestore)),
    entry('set', [], () => values().then((m) => m.volumeSet)),
    entry('show', [], () => values().then((m) => m.volumeShow)),
    entry('snapshot', [], () => manage().then((m) => m.volumeSnapshot)),
    entry('unset', [], () => values().then((m) => m.volumeUnset)),
  ],
);

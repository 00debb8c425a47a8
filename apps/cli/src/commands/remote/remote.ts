import { entry, group } from '../../command/command.ts';

export const remote = group({ short: 'Manage the list of remote servers' }, [
  entry('add', [], () => import('./add.ts').then((m) => m.remoteAdd)),
  entry('get-default', [], () => import('./manage.ts').then((m) => m.remoteGetDefault)),
  entry('list', ['ls'], () => import('./manage.ts').then((m) => m.remoteList)),
  entry('remove', ['rm'], () => import('./manage.ts').then((m) => m.remoteRemove)),
  entry('rename', ['mv'], () => import('./manage.ts').then((m) => m.remoteRename)),
  entry('set-url', [], () => import('./manage.ts').then((m) => m.remoteSetUrl)),
  entry('switch', ['set-default'], () => import('./manage.ts').then((m) => m.remoteSwitch)),
]);

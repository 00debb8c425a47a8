import { entry, group } from '../../command/command.ts';

export const profile = group({ short: 'Manage profiles' }, [
  entry('add', [], () => import('./assign.ts').then((m) => m.profileAdd)),
  entry('assign', ['apply'], () => import('./assign.ts').then((m) => m.profileAssign)),
  entry('copy', ['cp'], () => import('./manage.ts').then((m) => m.profileCopy)),
  entry('create', [], () => import('./manage.ts').then((m) => m.profileCreate)),
  entry('delete', ['rm'], () => import('./manage.ts').then((m) => m.profileDelete)),
  entry('device', [], () => import('../config/device.ts').then((m) => m.profileDevices)),
  entry('edit', [], () => import('./values.ts').then((m) => m.profileEdit)),
  entry('get', [], () => import('./values.ts').then((m) => m.profileGet)),
  entry('list', ['ls'], () => import('./manage.ts').then((m) => m.profileList)),
  entry('remove', [], () => import('./assign.ts').then((m) => m.profileRemove)),
  entry('rename', ['mv'], () => import('./manage.ts').then((m) => m.profileRename)),
  entry('set', [], () => import('./values.ts').then((m) => m.profileSet)),
  entry('show', [], () => import('./values.ts').then((m) => m.profileShow)),
  entry('unset', [], () => import('./values.ts').then((m) => m.profileUnset)),
]);

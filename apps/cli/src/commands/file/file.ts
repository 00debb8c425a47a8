import { entry, group } from '../../command/command.ts';

export const file = group({ short: 'Manage files in instances' }, [
  entry('delete', ['rm'], () => import('./delete.ts').then((m) => m.fileDelete)),
  entry('edit', [], () => import('./edit.ts').then((m) => m.fileEdit)),
  entry('mount', [], () => import('./mount.ts').then((m) => m.fileMount)),
  entry('pull', [], () => import('./pull.ts').then((m) => m.filePull)),
  entry('push', [], () => import('./push.ts').then((m) => m.filePush)),
]);

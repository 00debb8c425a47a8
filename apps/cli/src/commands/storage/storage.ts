import { entry, group } from '../../command/command.ts';

const pool = () => import('./pool.ts');
const values = () => import('./pool-values.ts');

export const storage = group({ short: 'Manage storage pools and volumes' }, [
  entry('bucket', [], () => import('./bucket.ts').then((m) => m.bucket)),
  entry('create', [], () => pool().then((m) => m.poolCreate)),
  entry('delete', ['rm'], () => pool().then((m) => m.poolDelete)),
  entry('edit', [], () => values().then((m) => m.poolEdit)),
  entry('get', [], () => values().then((m) => m.poolGet)),
  entry('info', [], () => pool().then((m) => m.poolInfo)),
  entry('list', ['ls'], () => pool().then((m) => m.poolList)),
  entry('set', [], () => values().then((m) => m.poolSet)),
  entry('show', [], () => values().then((m) => m.poolShow)),
  entry('unset', [], () => values().then((m) => m.poolUnset)),
  entry('volume', [], () => import('./volume.ts').then((m) => m.volume)),
]);

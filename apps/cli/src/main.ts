import module from 'node:module';
import { homedir } from 'node:os';

if (Number(process.versions.node.split('.')[0]) < 22) {
  process.stderr.write(`lxc needs Node.js 22 or newer, this is ${process.version}\n`);
  process.exit(1);
}
// Compiled code is kept per user: a directory that others can write to, as the default below /tmp, could be poisoned.
module.enableCompileCache(`${process.env.XDG_CACHE_HOME || `${homedir()}/.cache`}/lxd-ts`);
// Loaded after the cache is on, so that it is taken from there.
void import('./run.ts').then(({ run }) => run(process.argv.slice(2)));

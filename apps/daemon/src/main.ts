/** The program `lxd`: the daemon when no subcommand is given, and the commands that administer it. */
import { defineCommand, runMain } from 'citty';
import { daemonArgs } from './commands/daemon-args.ts';

const wantedNode = 22;
const [major] = process.versions.node.split('.');
if (Number(major) < wantedNode) {
  process.stderr.write(`Error: lxd needs Node ${wantedNode} or newer; this is ${process.version}\n`);
  process.exit(1);
}

const main = defineCommand({
  meta: { name: 'lxd', version: '5.15', description: 'The LXD container manager (daemon)' },
  args: daemonArgs,
  subCommands: {
    daemon: () => import('./commands/daemon.ts').then((module) => module.daemonCommand),
    version: () => import('./commands/version.ts').then((module) => module.versionCommand),
    init: () => import('./commands/init/command.ts').then((module) => module.initCommand),
    shutdown: () => import('./commands/shutdown.ts').then((module) => module.shutdownCommand),
    recover: () => import('./commands/recover.ts').then((module) => module.recoverCommand),
    sql: () => import('./commands/sql.ts').then((module) => module.sqlCommand),
    activateifneeded: () => import('./commands/activateifneeded.ts').then((module) => module.activateifneededCommand),
    waitready: () => import('./commands/waitready.ts').then((module) => module.waitreadyCommand),
    forkproxy: () => import('./commands/forkproxy.ts').then((module) => module.forkproxyCommand),
  },
  default: 'daemon',
});

await runMain(main);

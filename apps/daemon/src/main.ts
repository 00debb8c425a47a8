/** The program `lxd`: the daemon when no subcommand is given, and the commands that administer it. */
import { type ArgsDef, type CommandDef, defineCommand, runMain } from 'citty';
import { daemonArgs } from './commands/daemon-args.ts';

const wantedNode = 22;
const [major] = process.versions.node.split('.');
if (Number(major) < wantedNode) {
  process.stderr.write(`Error: lxd needs Node ${wantedNode} or newer; this is ${process.version}\n`);
  process.exit(1);
}

/** What is wrong with what was asked for is told in a sentence; a stack is for what is wrong with the program. */
const plainly = <T extends ArgsDef>(command: CommandDef<T>): CommandDef<T> => ({
  ...command,
  async run(context) {
    try {
      await command.run?.(context);
    } catch (error) {
      const [{ LxdError, messageOf }, client] = await Promise.all([
        import('@lxd-ts/driver-kit'),
        import('@lxd-ts/client'),
      ]);
      const told = [LxdError, client.ApiError, client.OperationError, client.ConnectionError];
      if (!told.some((kind) => error instanceof kind)) throw error;
      process.stderr.write(`Error: ${messageOf(error)}\n`);
      process.exit(1);
    }
  },
});

const main = defineCommand({
  meta: { name: 'lxd', version: '5.15', description: 'The LXD container manager (daemon)' },
  args: daemonArgs,
  subCommands: {
    daemon: () => import('./commands/daemon.ts').then(({ daemonCommand }) => plainly(daemonCommand)),
    version: () => import('./commands/version.ts').then(({ versionCommand }) => plainly(versionCommand)),
    init: () => import('./commands/init/command.ts').then(({ initCommand }) => plainly(initCommand)),
    shutdown: () => import('./commands/shutdown.ts').then(({ shutdownCommand }) => plainly(shutdownCommand)),
    recover: () => import('./commands/recover.ts').then(({ recoverCommand }) => plainly(recoverCommand)),
    sql: () => import('./commands/sql.ts').then(({ sqlCommand }) => plainly(sqlCommand)),
    activateifneeded: () =>
      import('./commands/activateifneeded.ts').then(({ activateifneededCommand }) => plainly(activateifneededCommand)),
    waitready: () => import('./commands/waitready.ts').then(({ waitreadyCommand }) => plainly(waitreadyCommand)),
    forkproxy: () => import('./commands/forkproxy.ts').then(({ forkproxyCommand }) => plainly(forkproxyCommand)),
  },
  default: 'daemon',
});

await runMain(main);

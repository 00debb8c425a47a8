import { readFile } from 'node:fs/promises';
import { badRequest } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { directoriesOf } from '../core/directories.ts';
import { createLog } from '../core/log.ts';
import { startDaemon } from '../daemon.ts';
import { createEvents } from '../events/bus.ts';
import { daemonArgs } from './daemon-args.ts';

/** The number of a group. @throws LxdError bad-request when there is none of that name */
const groupId = async (name: string): Promise<number> => {
  const line = (await readFile('/etc/group', 'utf8')).split('\n').find((entry) => entry.startsWith(`${name}:`));
  const id = line?.split(':')[2];
  if (id === undefined)
    throw badRequest(`Unknown group "${name}": create it with \`groupadd ${name}\` and start again`);
  return Number(id);
};

export const daemonCommand = defineCommand({
  meta: { name: 'daemon', description: 'Run the daemon in the foreground', hidden: true },
  args: daemonArgs,
  async run({ args }) {
    const events = createEvents();
    const log = createLog(events, args.debug ? 'debug' : args.verbose ? 'info' : 'warn', args.logfile);
    const gid = args.group === undefined ? {} : { gid: await groupId(args.group) };
    const daemon = await startDaemon({ directories: directoriesOf(), log, events, ...gid });

    let leaving: Promise<void> | undefined;
    const leave = (how: () => Promise<void>): void => {
      leaving ??= how().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'Could not stop cleanly');
          process.exit(1);
        },
      );
    };
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM'] as const) process.on(signal, () => leave(daemon.stop));
    process.on('SIGPWR', () => leave(daemon.shutdown));
  },
});

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
    let stopping = false;
    const leave = async (how: () => Promise<void>): Promise<void> => {
      if (stopping) return;
      stopping = true;
      try {
        await how();
        process.exit(0);
      } catch (error) {
        log.error({ err: error }, 'Could not stop cleanly');
        process.exit(1);
      }
    };
    const daemon = await startDaemon({
      directories: directoriesOf(),
      log,
      events,
      ...gid,
      onShutdown: (force) => void leave(() => daemon.shutdown({ force })),
    });
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM'] as const)
      process.on(signal, () => void leave(() => daemon.stop()));
    process.on('SIGPWR', () => void leave(() => daemon.shutdown()));
  },
});

import { watch } from 'node:fs';
import { request } from 'node:http';
import { dirname } from 'node:path';
import { unavailable } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { directoriesOf } from '../core/directories.ts';

/** Asks the daemon whether it is ready; it answers when it is. */
const ask = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const sent = request({ socketPath, path: '/internal/ready' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    sent.on('error', () => resolve(false));
    sent.end();
  });

export const waitreadyCommand = defineCommand({
  meta: { name: 'waitready', description: 'Wait for LXD to be ready to process requests' },
  args: { timeout: { type: 'string', alias: 't', description: 'Number of seconds to wait before giving up' } },
  async run({ args }) {
    const { socket } = directoriesOf();
    const seconds = args.timeout === undefined ? Number.POSITIVE_INFINITY : Number(args.timeout);
    const deadline = Date.now() + seconds * 1000;
    while (!(await ask(socket))) {
      if (Date.now() > deadline) throw unavailable(`LXD still not running after ${args.timeout}s timeout`);
      await nextChange(dirname(socket), 250);
    }
  },
});

/** Resolves when something in the directory changes, or after a moment: the socket may be there and refuse still. */
const nextChange = (directory: string, ms: number): Promise<void> =>
  new Promise((resolve) => {
    let watcher: ReturnType<typeof watch> | undefined;
    const timer = setTimeout(finish, ms);
    function finish(): void {
      clearTimeout(timer);
      watcher?.close();
      resolve();
    }
    try {
      watcher = watch(directory, finish);
    } catch {
      // The directory is not there yet: the timer alone wakes us.
      watcher = undefined;
    }
  });

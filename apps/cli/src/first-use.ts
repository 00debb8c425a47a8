import { isatty } from 'node:tty';
import type { Cli } from './cli.ts';
import { saveConfig } from './config/config.ts';
import { err } from './output/streams.ts';

/** What of `GET /1.0` tells whether the server can run virtual machines. */
interface Drivers {
  environment?: { driver: string };
}

/** What someone may type next on a server with these drivers and pools. */
export const hint = (driver: string, pools: number): string =>
  [
    ...(pools === 0 ? ['If this is your first time running LXD on this machine, you should also run: lxd init'] : []),
    'To start your first container, try: lxc launch ubuntu:22.04',
    ...(driver.includes('qemu') ? ['Or for a virtual machine: lxc launch ubuntu:22.04 --vm'] : []),
    'Where that image server is out of reach: lxc image import <tarball> --alias <name>, then lxc launch <name>',
    '',
    '',
  ].join('\n');

/**
 * At the first use on a terminal, says how to begin and makes the configuration file, so that it is not said again.
 * Without a local server that answers there is nothing to begin with, and nothing is said.
 */
export const welcome = async (cli: Cli): Promise<void> => {
  if (cli.config.existed || !isatty(2)) return;
  try {
    const local = await cli.server('local');
    const [{ value: server }, { value: pools }] = await Promise.all([
      local.get<Drivers>([]),
      local.get<string[]>(['storage-pools']),
    ]);
    err(hint(server.environment?.driver ?? '', pools.length));
    saveConfig(cli.config);
  } catch (error) {
    // No server or no place for the file: the command itself says so, if it needs them.
    if (cli.global.debug) err(`No hint for beginners: ${error instanceof Error ? error.message : error}\n`);
  }
};

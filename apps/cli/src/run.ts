import { ApiError } from '@lxd-ts/client';
import { openCli } from './cli.ts';
import { dispatch } from './command/dispatch.ts';
import { ExitStatus } from './command/errors.ts';
import { root } from './commands/root.ts';
import { expandAlias } from './config/aliases.ts';
import { loadConfig } from './config/config.ts';
import { err } from './output/streams.ts';
import { version } from './version.ts';

/** The words of an error for the user; the stack only with `--debug`. */
const words = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (process.argv.includes('--debug') && error.stack) return error.stack;
  // What a server says of a path it has never heard of, unlike of an object that is not there.
  if (error instanceof ApiError && ['not found', 'not implemented'].includes(error.message)) {
    return `${error.message}\nThe server does not know this kind of request, \`lxc version\` shows whether it is an older one`;
  }
  // Node's own words for what the system says: "ENOENT: no such file or directory, open '/x'".
  return error.message.replace(/^E[A-Z]+: ([^,]+), (\w+) '(.*)'$/s, '$2 $3: $1');
};

/** Runs the command line of this process; its exit status goes into `process.exitCode`. */
export const run = async (argv: readonly string[]): Promise<void> => {
  try {
    const config = await loadConfig(process.env);
    await dispatch(root, expandAlias(config.aliases, argv), version, async (flags) => {
      const cli = openCli(config, flags);
      if (!config.existed) await (await import('./first-use.ts')).welcome(cli);
      return cli;
    });
  } catch (error) {
    if (error instanceof ExitStatus) {
      process.exitCode = error.status;
      return;
    }
    err(`Error: ${words(error)}\n`);
    process.exitCode = 1;
  }
};

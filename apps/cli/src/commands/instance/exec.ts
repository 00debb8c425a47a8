import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { exec as execIn, OperationError } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { ExitStatus, UserError } from '../../command/errors.ts';
import { bool, list, string, uint32 } from '../../command/flags.ts';
import { splitPair } from '../common/values.ts';
import { onResize, rawTerminal, terminalSize } from './terminal.ts';

/** Whether to give the command a terminal: when both ends of the pipe are one, unless told otherwise. */
const isInteractive = (flags: {
  mode: string;
  'force-interactive': boolean;
  'force-noninteractive': boolean;
}): boolean => {
  const { mode, 'force-interactive': yes, 'force-noninteractive': no } = flags;
  if (yes && no) throw new UserError("You can't pass -t and -T at the same time");
  if (mode !== 'auto' && (yes || no)) throw new UserError("You can't pass -t or -T at the same time as --mode");
  if (yes || mode === 'interactive') return true;
  if (no || mode === 'non-interactive') return false;
  return isatty(0) && isatty(1);
};

const environment = (options: readonly string[]): Record<string, string> => {
  const terminal = process.env.TERM;
  const given = options.map((option) => splitPair(option) ?? ([option, ''] as const));
  return { ...(terminal === undefined ? {} : { TERM: terminal }), ...Object.fromEntries(given) };
};

/** Signals that the command gets in place of the client. */
const forwarded = [
  'SIGTERM',
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGABRT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
] as const;

export const exec = command({
  use: '[<remote>:]<instance> [flags] [--] <command line>',
  usageEnd: '',
  short: 'Execute commands in instances',
  long: `The command is executed directly using exec, so there is no shell and
shell patterns (variables, file redirects, ...) won't be understood.
If you need a shell environment you need to execute the shell
executable, passing the shell commands as arguments, for example:

  lxc exec <instance> -- sh -c "cd /tmp && pwd"

Mode defaults to non-interactive, interactive mode is selected if both stdin AND stdout are terminals (stderr is ignored).`,
  args: [2, Number.POSITIVE_INFINITY],
  flags: {
    cwd: string('Directory to run the command in (default /root)'),
    'disable-stdin': bool('Disable stdin (reads from /dev/null)', { short: 'n' }),
    env: list('Environment variable to set (e.g. HOME=/home/foo)'),
    'force-interactive': bool('Force pseudo-terminal allocation', { short: 't' }),
    'force-noninteractive': bool('Disable pseudo-terminal allocation', { short: 'T' }),
    group: uint32('Group ID to run the command as (default 0)'),
    mode: string('Override the terminal mode (auto, interactive or non-interactive)', { default: 'auto' }),
    user: uint32('User ID to run the command as (default 0)'),
  },
  run: async (cli, { args: [instance = '', ...words], flags }) => {
    const { client, name } = await cli.locate(instance);
    const terminal = isInteractive(flags) ? terminalSize() : undefined;
    const detach: (() => void)[] = [];
    if (terminal && isatty(0)) detach.push(rawTerminal());
    try {
      const status = await execIn(
        client,
        name,
        {
          command: words,
          environment: environment(flags.env),
          user: flags.user,
          group: flags.group,
          cwd: flags.cwd,
        },
        {
          terminal,
          stdin: flags['disable-stdin'] ? undefined : process.stdin,
          stdout: process.stdout,
          stderr: process.stderr,
          onControl: (control) => {
            if (terminal) detach.push(onResize(control.resize));
            for (const signal of forwarded) {
              const forward = (): void => control.signal(constants.signals[signal]);
              process.on(signal, forward);
              detach.push(() => process.off(signal, forward));
            }
          },
        },
      );
      if (status !== 0) throw new ExitStatus(status);
    } catch (error) {
      // The reference server reports these as errors of the operation; the shell's own numbers stand for them.
      if (error instanceof OperationError && error.message === 'Command not found') throw failed(error, 127);
      if (error instanceof OperationError && error.message === 'Command not executable') throw failed(error, 126);
      throw error;
    } finally {
      for (const undo of detach) undo();
      process.stdin.destroy();
    }
  },
});

const failed = (error: Error, status: number): Error => {
  process.stderr.write(`Error: ${error.message}\n`);
  return new ExitStatus(status);
};

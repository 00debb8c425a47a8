import type { Instance } from '@lxd-ts/api';
import { OperationError } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command, type Input, type Leaf } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, type Flags, type FlagValue, int, string } from '../../command/flags.ts';
import { batch } from '../common/batch.ts';
import { operate } from '../common/operate.ts';

/** A change of an instance's state (spec 09 EP-03). */
export interface StateChange {
  action: 'start' | 'stop' | 'restart' | 'freeze';
  timeout: number;
  force: boolean;
  /** For a start: ignore a stored state. For a stop: store it. */
  stateful: boolean;
  stateless: boolean;
}

/** What an instance must go through: a frozen one is not started but thawed, a stateful one starts from its state. */
const resolve = async (
  change: StateChange,
  read: () => Promise<Instance>,
): Promise<{ action: string; timeout: number; force: boolean; stateful: boolean }> => {
  const { action, timeout, force, stateful, stateless } = change;
  if (action !== 'start') return { action, timeout, force, stateful };
  const instance = await read();
  const frozen = instance.status_code === 110;
  return { action: frozen ? 'unfreeze' : 'start', timeout, force, stateful: !stateless && instance.stateful };
};

/** Changes the state of one instance, given as `remote:name`, and waits until it is done. */
export const changeState = async (cli: Cli, text: string, change: StateChange): Promise<void> => {
  const { client, name } = await cli.locate(text);
  if (name === '') throw new UserError('Must supply instance name for: '.concat(`"${text}"`));
  const body = await resolve(change, async () => (await client.get<Instance>(['instances', name])).value);
  try {
    await operate(cli, client, 'PUT', ['instances', name, 'state'], body);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    throw new UserError(`${error.message}\nTry \`lxc info --show-log ${text}\` for more info`);
  }
};

/** The remotes that `--all` is about: those named (`a: b:`), or the default one. */
const everywhere = (cli: Cli, words: readonly string[]): string[] =>
  (words.length === 0 ? [''] : words).map((text) => {
    const { remote, name } = cli.resource(text);
    if (name !== '') throw new UserError('Both --all and instance name given');
    return remote;
  });

/** Changes all instances of a remote that are not in the wanted state yet, in one request (spec 09 EP-03). */
const changeAll = async (
  cli: Cli,
  remote: string,
  { action, timeout, force, stateful }: StateChange,
): Promise<void> => {
  const state = { action, timeout, force, stateful };
  try {
    await operate(cli, await cli.server(remote), 'PUT', ['instances'], { state });
  } catch (error) {
    throw new UserError(`${remote}: ${error instanceof Error ? error.message : error}`);
  }
};

const consoleFlag = string('Immediately attach to the console', { bare: 'console' });

interface ActionWords {
  short: string;
  long?: string;
  /** What ends the program when some of several instances failed. */
  failed: string;
}

const actionCommand = <F extends Flags>(
  words: ActionWords,
  flags: F,
  change: (values: Readonly<Record<string, FlagValue>>) => StateChange,
): Leaf =>
  command({
    short: words.short,
    ...(words.long === undefined ? {} : { long: words.long }),
    use: '[<remote>:]<instance> [[<remote>:]<instance>...]',
    args: [0, Number.POSITIVE_INFINITY],
    flags: { all: bool('Run against all instances'), ...flags },
    run: async (cli, input: Input) => {
      const { args, usage } = input;
      const { all, console: attach = '' } = input.flags;
      if (args.length === 0 && all !== true) return usage();
      const wanted = change(input.flags);
      if (all === true) {
        const remotes = everywhere(cli, args);
        if (attach !== '') throw new UserError("--console can't be used with --all");
        return batch(remotes, words.failed, (remote) => changeAll(cli, remote, wanted));
      }
      if (attach !== '' && args.length !== 1) throw new UserError('--console only works with a single instance');
      await batch(args, words.failed, (name) => changeState(cli, name, wanted));
      const [name] = args;
      if (attach !== '' && name !== undefined) {
        const { attachTo } = await import('./console.ts');
        await attachTo(cli, name, String(attach));
      }
    },
  });

const stopFlags = {
  console: consoleFlag,
  force: bool('Force the instance to shutdown', { short: 'f' }),
  timeout: int('Time to wait for the instance before killing it', { default: -1 }),
};

export const start = actionCommand(
  { short: 'Start instances', failed: 'Some instances failed to start' },
  { console: consoleFlag, stateless: bool('Ignore the instance state') },
  ({ stateless }) => ({ action: 'start', timeout: 0, force: false, stateful: false, stateless: stateless === true }),
);

export const stop = actionCommand(
  { short: 'Stop instances', failed: 'Some instances failed to stop' },
  { ...stopFlags, stateful: bool('Store the instance state') },
  ({ force, timeout, stateful }) => ({
    action: 'stop',
    timeout: Number(timeout),
    force: force === true,
    stateful: stateful === true,
    stateless: false,
  }),
);

export const restart = actionCommand(
  {
    short: 'Restart instances',
    long: 'The opposite of "lxc pause" is "lxc start".',
    failed: 'Some instances failed to restart',
  },
  stopFlags,
  ({ force, timeout }) => ({
    action: 'restart',
    timeout: Number(timeout),
    force: force === true,
    stateful: false,
    stateless: false,
  }),
);

export const pause = actionCommand({ short: 'Pause instances', failed: 'Some instances failed to pause' }, {}, () => ({
  action: 'freeze',
  timeout: 0,
  force: false,
  stateful: false,
  stateless: false,
}));

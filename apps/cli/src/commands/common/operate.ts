import { type Body, type CallOptions, type Client, type Operation, type OperationObject, run } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { progressLine } from '../../output/progress.ts';
import { err } from '../../output/streams.ts';

/** How many interrupts lead out of a command whose operation goes on. */
const patience = 3;

/** Answers interrupts: each asks the server to cancel the operation, the last gives up waiting for it. */
const onInterrupt = (operation: () => Operation | undefined, giveUp: (error: Error) => void): (() => void) => {
  let count = 0;
  return () => {
    count++;
    if (count >= patience) {
      giveUp(new UserError('User signaled us three times, exiting. The remote operation will keep running'));
      return;
    }
    const left = patience - count === 1 ? 'one more time' : 'two more times';
    operation()
      ?.cancel()
      .catch((error) => err(`${error instanceof Error ? error.message : error} (interrupt ${left} to force)\n`));
  };
};

export interface OperateOptions extends CallOptions {
  /** Where the progress goes in its line, marked `%s`. */
  label?: string;
}

/** How something that runs operations tells of them. */
export interface Watch {
  onUpdate: ((operation: OperationObject) => void) | undefined;
  onStart: (operation: Operation) => void;
}

/**
 * Stays with something that runs an operation: shows its progress, cancels it when the user interrupts.
 *
 * @param label - where the progress goes in its line, marked `%s`
 */
export const attended = async <T>(
  cli: Cli,
  label: string | undefined,
  work: (watch: Watch) => Promise<T>,
): Promise<T> => {
  const progress = progressLine(cli.global.quiet, label);
  let running: Operation | undefined;
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = onInterrupt(() => running, reject);
  process.on('SIGINT', interrupt);
  try {
    const ended = work({
      onUpdate: progress?.operation,
      onStart: (operation) => {
        running = operation;
      },
    });
    return await Promise.race([ended, interrupted]);
  } finally {
    process.off('SIGINT', interrupt);
    progress?.done();
  }
};

/**
 * Runs a background operation to its end: shows its progress, cancels it when the user interrupts.
 *
 * @returns the operation's last state; `undefined` if the server was done at once
 */
export const operate = async (
  cli: Cli,
  client: Client,
  method: string,
  segments: readonly string[],
  body?: Body,
  options: OperateOptions = {},
): Promise<OperationObject | undefined> => {
  const { label, ...call } = options;
  return attended(cli, label, (watch) => run(client, method, segments, body, { ...call, ...watch }));
};

import { type Body, type CallOptions, type Client, type Operation, type OperationObject, run } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { progressLine } from '../../output/progress.ts';
import { err } from '../../output/streams.ts';

/** Cancels an operation at the first interrupt; at the third leaves the program and lets the server go on. */
const onInterrupt = (operation: () => Operation | undefined): (() => void) => {
  let count = 0;
  return () => {
    count++;
    if (count >= 3) {
      err('User signaled us three times, exiting. The remote operation will keep running\n');
      process.exit(1);
    }
    // An operation that cannot be cancelled says so and goes on; the next interrupts lead out.
    operation()
      ?.cancel()
      .catch((error) => err(`${error instanceof Error ? error.message : error}\n`));
  };
};

export interface OperateOptions extends CallOptions {
  /** Where the progress goes in its line, marked `%s`. */
  label?: string;
}

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
  const progress = progressLine(cli.global.quiet, label);
  let running: Operation | undefined;
  const interrupt = onInterrupt(() => running);
  process.on('SIGINT', interrupt);
  try {
    return await run(client, method, segments, body, {
      ...call,
      onUpdate: progress?.operation,
      onStart: (operation) => {
        running = operation;
      },
    });
  } finally {
    process.off('SIGINT', interrupt);
    progress?.done();
  }
};

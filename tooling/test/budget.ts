/** Runs the programs of a test run within the run's time budget. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Budget {
  /** Runs a command in a process group of its own, which ends with the budget; its exit code. */
  readonly run: (command: readonly string[], options?: { readonly prefix?: string }) => Promise<number>;
  /** What was cut short, as sentences. */
  readonly overruns: readonly string[];
}

/**
 * A time budget that begins now.
 *
 * @param minutes when it is used up, what still runs is killed
 * @param cwd where the commands run
 */
export const startBudget = (minutes: number, cwd: string): Budget => {
  const deadline = Date.now() + minutes * 60_000;
  const overruns: string[] = [];
  return {
    overruns,
    // `prefix` begins each line of output, for what runs beside something else.
    run: async ([program = '', ...args], { prefix } = {}) => {
      const stdio = prefix === undefined ? 'inherit' : 'pipe';
      const child = spawn(program, args, { cwd, stdio: ['ignore', stdio, stdio], detached: true });
      const closed = once(child, 'close');
      const stop = () => {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      };
      for (const stream of [child.stdout, child.stderr]) {
        if (stream) createInterface(stream).on('line', (line) => console.log(`${prefix}${line}`));
      }
      const timer = setTimeout(() => {
        overruns.push(`${[program, ...args].join(' ')}: the time budget of ${minutes} minutes is used up`);
        stop();
      }, deadline - Date.now());
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
      try {
        const [code] = await closed;
        return typeof code === 'number' ? code : 128;
      } finally {
        clearTimeout(timer);
        process.off('SIGINT', stop);
        process.off('SIGTERM', stop);
      }
    },
  };
};

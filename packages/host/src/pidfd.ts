import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { isErrno } from './errno.ts';
import { fdReady } from './fd-poll.ts';
import { pidfdOpen, pidfdSendSignal } from './syscalls.ts';

/**
 * A process held by a descriptor (pidfd_open(2)): a signal never reaches another process that got the same number later.
 * The process need not be a child of this one. Dispose of it when done.
 */
export interface ProcessHandle extends Disposable {
  readonly pid: number;
  /** @returns false when the process has ended already */
  kill(signal: NodeJS.Signals): boolean;
  /** Resolves when the process has ended, without polling. */
  exited(signal?: AbortSignal): Promise<void>;
}

/** Undefined when there is no such process. */
export function openProcess(pid: number): ProcessHandle | undefined {
  let fd: number;
  try {
    fd = pidfdOpen(pid, 0);
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
  return {
    pid,
    kill(signal) {
      try {
        pidfdSendSignal(fd, constants.signals[signal], null, 0);
        return true;
      } catch (error) {
        if (isErrno(error, 'ESRCH')) return false;
        throw error;
      }
    },
    exited: (signal) => fdReady(fd, 'readable', signal),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

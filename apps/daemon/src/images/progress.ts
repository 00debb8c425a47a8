import type { Progress, Work } from '@lxd-ts/driver-kit';
import type { Operation } from '../operations/operation.ts';
import type { Download } from './remote.ts';

/** Clients need no more than this many updates a second. */
const intervalMs = 250;

/** Lets a function through at most every `intervalMs`, and always at the end of something. */
const throttled = <Args extends readonly unknown[]>(call: (...args: Args) => void) => {
  let last = 0;
  return (isEnd: boolean, ...args: Args): void => {
    const now = performance.now();
    if (!isEnd && now - last < intervalMs) return;
    last = now;
    call(...args);
  };
};

/** Turns the bytes of a download into progress of a piece of work. */
export const watchDownload = (report: Work['progress']): Download['progress'] => {
  if (!report) return undefined;
  const started = performance.now();
  const send = throttled((progress: Progress) => report(progress));
  return (_stage, bytes, total) => {
    const speed = bytes / Math.max((performance.now() - started) / 1000, 0.001);
    const percent = total === undefined ? {} : { percent: Math.min(100, (bytes / total) * 100) };
    send(bytes === total, { stage: 'download', bytes, speed, ...percent });
  };
};

/** Shows progress in an operation's metadata under LXD's key and in its words: `rootfs: 42% (1.20MB/s)`. */
export const showProgress =
  (operation: Operation, key: string, label: string): NonNullable<Work['progress']> =>
  ({ percent, speed = 0, bytes = 0 }) => {
    const amount = percent === undefined ? `${(bytes / 1e6).toFixed(2)}MB` : `${Math.round(percent)}%`;
    operation.update({ [`${key}_progress`]: `${label}: ${amount} (${(speed / 1e6).toFixed(2)}MB/s)` });
  };

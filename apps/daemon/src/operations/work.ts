import type { Work } from '@lxd-ts/driver-kit';
import type { Operation } from './operation.ts';

/** What a driver needs of an operation: to be cancelled with it, and to tell its progress in the metadata as LXD does. */
export const workOf = (operation: Operation): Work => ({
  signal: operation.signal,
  progress: ({ stage, percent, speed }) =>
    operation.update({
      [`${stage}_progress`]:
        percent === undefined
          ? ''
          : `${Math.round(percent)}%${speed === undefined ? '' : ` (${(speed / 1e6).toFixed(2)}MB/s)`}`,
    }),
});

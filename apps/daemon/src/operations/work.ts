import type { Work } from '@lxd-ts/driver-kit';
import type { Operation } from './operation.ts';

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)}MB`;

/** What a driver needs of an operation: to be cancelled with it, and to tell its progress in the metadata as LXD does. */
export const workOf = (operation: Operation): Work => ({
  signal: operation.signal,
  progress: ({ stage, percent, bytes, speed }) => {
    const done = percent !== undefined ? `${Math.round(percent)}%` : bytes !== undefined ? megabytes(bytes) : '';
    const rate = done !== '' && speed !== undefined ? ` (${megabytes(speed)}/s)` : '';
    operation.update({ [`${stage}_progress`]: `${done}${rate}` });
  },
});

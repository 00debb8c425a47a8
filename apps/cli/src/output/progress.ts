import { isatty } from 'node:tty';
import type { OperationObject } from '@lxd-ts/client';
import { out } from './streams.ts';

/** One line on the terminal that is written over and over while something goes on. */
export interface Progress {
  update(text: string): void;
  /** Shows what an operation says of its progress, if anything. */
  operation(operation: OperationObject): void;
  /** Clears the line, and leaves `text` there if given. */
  done(text?: string): void;
}

/**
 * Makes a progress line. On anything but a terminal, and when told to be quiet, it shows nothing.
 *
 * @param label - where the text goes, marked `%s`, e.g. `Retrieving image: %s`
 */
export const progressLine = (quiet: boolean, label = '%s'): Progress | undefined => {
  if (quiet || !isatty(1)) return undefined;
  let shown = '';
  let longest = 0;
  const clear = (): void => {
    if (longest > 0) out(`\r${' '.repeat(longest)}\r`);
  };
  const update = (text: string): void => {
    const message = label.replace('%s', text);
    if (message === shown) return;
    if (message.length < longest) clear();
    out(`\r${message}`);
    shown = message;
    longest = Math.max(longest, message.length);
  };
  return {
    update,
    operation: ({ metadata }) => {
      for (const [key, value] of Object.entries(metadata ?? {})) {
        if (key.endsWith('_progress') && typeof value === 'string') update(value);
      }
    },
    done: (text) => {
      clear();
      longest = 0;
      if (text !== undefined) out(`${text}\n`);
    },
  };
};

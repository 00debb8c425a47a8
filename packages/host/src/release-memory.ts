import { releaseProgramPages } from './program-pages.ts';
import { mallocTrim } from './syscalls.ts';

/**
 * Makes this process as small as it can be without giving up anything it holds: garbage is collected (with `--expose-gc`
 * alone), what malloc keeps for later goes back to the system, and so do the pages of the program. Takes some tens of milliseconds.
 */
export const releaseMemory = async (): Promise<void> => {
  await globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' });
  mallocTrim(0);
  await releaseProgramPages();
};

import type { Writable } from 'node:stream';

/**
 * What a driver's `send` does with the stream that it was given: when it fails, whoever reads from the stream gets the error, and the
 * caller does. A stream that nobody listens to does not end the process with it.
 */
export const sendInto = async (to: Writable, write: () => Promise<void>): Promise<void> => {
  const ignore = (): void => undefined;
  // A file that is opened for it may fail at any time from now on. `write` meets the error as well.
  to.on('error', ignore);
  try {
    await write();
  } catch (error) {
    to.destroy(error instanceof Error ? error : new Error(String(error), { cause: error }));
    throw error;
  }
};

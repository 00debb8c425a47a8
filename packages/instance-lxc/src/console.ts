import { closeSync, writeSync } from 'node:fs';
import { type ConsoleSession, conflict } from '@lxd-ts/driver-kit';
import { openProcessRoot } from '@lxd-ts/host';
import { consoleRequest } from './monitor.ts';
import type { Place } from './place.ts';
import { isTerminal, resizeTerminal, type Size, terminalStreams } from './terminal.ts';
import { connectUnix, receiveDescriptor } from './unix-sockets.ts';

const O_RDWR = 2;
const O_NOCTTY = 0o400;

/** The terminal behind a container's /dev/console, which has a size of its own. */
const resizeConsole = (initPid: number, size: Size): void => {
  using root = openProcessRoot(initPid);
  if (!root.exists('dev/console') || !isTerminal(root.stat('dev/console'))) return;
  const fd = root.openFd('dev/console', O_RDWR | O_NOCTTY);
  try {
    resizeTerminal(fd, size);
  } finally {
    closeSync(fd);
  }
};

/** Has the monitor connect its side of the console to a new terminal. @returns the connection that holds it, and the terminal */
const askConsole = async (place: Place): Promise<{ connection: number; master: number }> => {
  const connection = connectUnix(place.commandSocket);
  try {
    writeSync(connection, consoleRequest());
    const master = await receiveDescriptor(connection);
    if (master === undefined) throw conflict(`The console of instance "${place.name}" is in use`);
    return { connection, master };
  } catch (error) {
    closeSync(connection);
    throw error;
  }
};

/** Connects to a container's console. One can be connected at a time. */
export const openConsole = async (place: Place, initPid: number, size: Size): Promise<ConsoleSession> => {
  const { connection, master } = await askConsole(place);
  const { input, output } = terminalStreams(master);
  const closed = new Promise<void>((resolve) => input.once('close', resolve));
  // The monitor takes the console back when its connection ends.
  void closed.then(() => closeSync(connection));
  const resize = (width: number, height: number) => {
    if (input.destroyed) return;
    resizeTerminal(master, { width, height });
    resizeConsole(initPid, { width, height });
  };
  resize(size.width, size.height);
  return {
    input,
    output,
    resize,
    closed,
    [Symbol.asyncDispose]: async () => {
      input.destroy();
      await closed;
    },
  };
};

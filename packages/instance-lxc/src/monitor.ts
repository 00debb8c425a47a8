/**
 * The command socket of a container's monitor (the `[lxc monitor]` process that lxc-start leaves behind): how to ask for
 * the pid of init, and how to learn that the container is gone. The messages are those that lxc-info(1) and lxc-wait(1)
 * of liblxc 5.0 exchange: a header of 16 bytes (command or result, length of what follows, a value), native byte order.
 */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { isErrno, openProcess, processStat } from '@lxd-ts/host';
import { connectUnix } from './unix-sockets.ts';

const GET_CONSOLE = 0;
const GET_INIT_PID = 4;
const HEADER_SIZE = 16;
/** Nobody listens: no such container runs. */
const absent = ['ECONNREFUSED', 'ENOENT'];

const header = (command: number): Buffer => {
  const message = Buffer.alloc(HEADER_SIZE);
  message.writeInt32LE(command, 0);
  return message;
};

/** Asks for a terminal on the console; the answer carries its descriptor. The value is the terminal's number, 0 for the console. */
export const consoleRequest = (): Buffer => header(GET_CONSOLE);

/** A connection that the monitor keeps until it exits. */
export interface MonitorConnection {
  /** Host pid of the container's init. */
  readonly initPid: number;
  /** Resolves when the monitor is gone, and with it the container. */
  readonly gone: Promise<void>;
  /** Whether this connection keeps the event loop alive. Off at first. */
  keepAlive(): void;
  close(): void;
}

const open = (address: string): Socket | undefined => {
  try {
    return new Socket({ fd: connectUnix(address), readable: true, writable: true });
  } catch (error) {
    if (isErrno(error, ...absent)) return undefined;
    throw error;
  }
};

/** Asks for the pid of init. @returns undefined when the monitor hangs up instead, as it does while it ends */
const askInitPid = (socket: Socket): Promise<number | undefined> =>
  new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const onData = (data: Buffer) => {
      answer = Buffer.concat([answer, data]);
      if (answer.length < HEADER_SIZE) return;
      socket.off('data', onData);
      const pid = answer.readInt32LE(8);
      resolve(pid > 0 ? pid : undefined);
    };
    socket.on('data', onData);
    socket.once('close', () => resolve(undefined));
    socket.write(header(GET_INIT_PID));
  });

/**
 * Connects to a container's monitor.
 *
 * @param address - the abstract address of its command socket
 * @returns undefined when no such container runs
 */
export const connectMonitor = async (address: string): Promise<MonitorConnection | undefined> => {
  const [asking, watching] = [open(address), open(address)];
  // A reset connection is a monitor that died; 'close' follows and says so.
  asking?.on('error', () => asking.destroy());
  watching?.on('error', () => watching.destroy());
  const initPid = asking && (await askInitPid(asking));
  const monitorPid = initPid === undefined ? undefined : processStat(initPid)?.parent;
  const monitor = monitorPid === undefined ? undefined : openProcess(monitorPid);
  // The monitor closes a connection once it has answered: the one that is watched never asks.
  asking?.destroy();
  if (!watching || initPid === undefined || !monitor) {
    watching?.destroy();
    monitor?.[Symbol.dispose]();
    return undefined;
  }
  const gone = (async () => {
    using process_ = monitor;
    if (!watching.closed) await once(watching, 'close');
    // The monitor hangs up when its container has ended, a little before its own end.
    await process_.exited();
  })();
  // Data never comes, but only a flowing stream notices its end.
  watching.resume();
  watching.unref();
  return { initPid, gone, keepAlive: () => watching.ref(), close: () => watching.destroy() };
};

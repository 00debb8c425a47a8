/** The socket at which a container's monitor reports intercepted system calls (SOCK_SEQPACKET, unix(7)). */
import { chmodSync, closeSync, rmSync } from 'node:fs';
import { isErrno, peerCredentials } from '@lxd-ts/host';
import koffi from 'koffi';
import { acceptConnection, listenPackets, receiveMessage, sendPacket } from '../unix-sockets.ts';
import { handleCall, type Intercepted } from './handler.ts';
import { answerMessage, parseMessage } from './message.ts';

/** Serves one container until disposed of. */
export interface Listener extends Disposable {
  /** Replaced when settings change. */
  container: Intercepted;
}

/** Calls a function whenever a descriptor can be read. @returns what ends that and closes it */
const whenReadable = (fd: number, action: () => void): (() => void) => {
  const handle = koffi.node.poll(fd, { readable: true }, action);
  return () => {
    handle.stop();
    handle.close();
    closeSync(fd);
  };
};

/** @returns false when the connection is to be ended: the monitor has hung up, or says what cannot be understood */
const serveMessage = async (connection: number, listener: Listener): Promise<boolean> => {
  const received = receiveMessage(connection);
  if (received === 'nothing yet') return true;
  const { data, descriptors } = received;
  try {
    const notification = parseMessage(data);
    const [directory, memory] = descriptors;
    if (!notification) return false;
    const answer =
      directory === undefined || memory === undefined
        ? 'continue'
        : await handleCall(notification, directory, memory, listener.container);
    sendPacket(connection, answerMessage(data, answer));
    return true;
  } finally {
    for (const fd of descriptors) closeSync(fd);
  }
};

const serveConnection = (connection: number, listener: Listener, ended: () => void): (() => void) => {
  let busy = false;
  const close = whenReadable(connection, () => {
    // The monitor asks for one call after the other.
    if (busy) return;
    busy = true;
    serveMessage(connection, listener)
      .catch((error: unknown) => {
        // The monitor or the caller has gone meanwhile.
        if (!isErrno(error, 'EPIPE', 'ECONNRESET', 'ESRCH')) process.emitWarning(`Interception: ${error}`);
        return false;
      })
      .then((more) => {
        busy = false;
        if (!more) ended();
      });
  });
  return close;
};

/** Listens at a path. What is there is replaced: it is left from a process that has ended. */
export const listenForCalls = (path: string, container: Intercepted): Listener => {
  rmSync(path, { force: true });
  const socket = listenPackets(path);
  chmodSync(path, 0o600);
  const connections = new Map<number, () => void>();
  const accept = () => {
    const connection = acceptConnection(socket);
    if (connection === undefined) return;
    if (peerCredentials(connection)?.uid !== 0) {
      closeSync(connection);
      return;
    }
    const end = () => {
      connections.get(connection)?.();
      connections.delete(connection);
    };
    connections.set(connection, serveConnection(connection, listener, end));
  };
  const stop = whenReadable(socket, accept);
  const listener: Listener = {
    container,
    [Symbol.dispose]: () => {
      stop();
      for (const close of connections.values()) close();
      connections.clear();
      rmSync(path, { force: true });
    },
  };
  return listener;
};

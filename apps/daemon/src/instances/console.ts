import { once } from 'node:events';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceConsolePost } from '@lxd-ts/api';
import { badRequest, type InstanceType, notImplemented } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { pipeFromSocket, pipeToSocket } from '../http/socket-streams.ts';
import { type Operation, OperationSockets, type OperationSpec } from '../operations/operation.ts';
import { obeyControl, terminalSide } from './control-stream.ts';
import type { Run } from './running.ts';

/** The size of a console whose client gave none. */
const defaultSize = { width: 80, height: 25 };

/** What an instance wrote on its console, in its log directory. */
export const consoleLog = (logs: string): string => join(logs, 'console.log');

/** Empties the console log. The monitor appends to it, so it goes on at the beginning. */
export const emptyConsoleLog = async (logs: string): Promise<void> => {
  try {
    await truncate(consoleLog(logs));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
};

/** Connects the client's streams with the console until either side ends. */
const connect = async (
  operation: Operation,
  run: Run,
  size: { readonly width: number; readonly height: number },
  sockets: OperationSockets,
): Promise<undefined> => {
  const [data] = await sockets.held(['0'], operation.signal);
  if (!data) throw new Error('A console operation has a data stream');
  await using session = await run.running.console(size);
  const left = Promise.withResolvers<void>();
  void sockets.connected('control').then((control) => {
    obeyControl(control, { resize: session.resize });
    control.on('close', () => left.resolve());
  });
  data.on('close', () => left.resolve());
  operation.signal.addEventListener('abort', () => left.resolve(), { once: true });
  pipeFromSocket(data, session.input);
  const sent = pipeToSocket(session.output, data);
  await Promise.race([session.closed.then(() => sent), left.promise]);
  if (data.readyState === data.OPEN) {
    data.close();
    await once(data, 'close');
  }
  return undefined;
};

/**
 * What connects a client with the console: the operation's specification, without what the route adds.
 *
 * @throws LxdError bad-request
 */
export const consoleOperation = (
  run: Run | undefined,
  type: InstanceType,
  body: InstanceConsolePost,
): Pick<OperationSpec, 'class' | 'metadata' | 'sockets' | 'run'> => {
  if (body.type === 'vga' && type === 'container') {
    throw badRequest('VGA console is only supported by virtual machines');
  }
  if (!run) throw badRequest('Instance is not running');
  if (run.frozen) throw badRequest('Instance is frozen');
  if (body.type === 'vga') throw notImplemented('This instance has no graphical console');
  const sockets = new OperationSockets(['0', 'control']);
  const size = {
    width: terminalSide(body.width, defaultSize.width),
    height: terminalSide(body.height, defaultSize.height),
  };
  return {
    class: 'websocket',
    metadata: { fds: sockets.secrets },
    sockets,
    run: (operation) => connect(operation, run, size, sockets),
  };
};

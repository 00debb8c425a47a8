import type { Readable, Writable } from 'node:stream';
import type { Client } from './client.ts';
import { readEnvelope, readText } from './envelope.ts';
import { ApiError, ConnectionError } from './errors.ts';
import { type Control, controlOver, openChannel } from './exec.ts';
import type { Operation } from './operations.ts';
import { receiveInto, sendFrom } from './streams.ts';

export interface ConsoleOptions {
  width: number;
  height: number;
  stdin: Readable;
  stdout: Writable;
  onControl?: (control: Control) => void;
  /** Aborting it detaches from the console; the instance runs on. */
  signal: AbortSignal;
}

const startConsole = async (client: Client, instance: string, body: object): Promise<Operation> => {
  const operation = await client.start('POST', ['instances', instance, 'console'], body);
  if (operation === undefined) throw new ConnectionError('The server opened the console without an operation');
  return operation;
};

/** Attaches to the text console of an instance until it is detached or the instance stops. */
export const attachConsole = async (client: Client, instance: string, options: ConsoleOptions): Promise<void> => {
  const { width, height, stdin, stdout, signal, onControl } = options;
  const operation = await startConsole(client, instance, { type: 'console', width, height });
  let output: Promise<void> | undefined;
  const [control, data] = await Promise.all([
    openChannel(operation, 'control', (socket) => socket.on('error', () => undefined)),
    openChannel(operation, '0', (socket) => {
      output = receiveInto(socket, stdout);
    }),
  ]);
  onControl?.(controlOver(control));
  void sendFrom(data, stdin);
  const detach = (): void => {
    control.close();
    data.close();
  };
  if (signal.aborted) detach();
  else signal.addEventListener('abort', detach, { once: true });
  try {
    await Promise.race([output, operation.wait()]);
    // Detaching may let the operation end with an error about its closed streams, or go on: neither is news.
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', detach);
    control.terminate();
    data.terminate();
  }
};

/**
 * Opens the graphical console of a VM: each call of `connect` gives one more raw connection to its SPICE server
 * (spec 09 CON-02). The operation lasts until `operation.cancel()` or the VM stops.
 */
export const openGraphicalConsole = async (
  client: Client,
  instance: string,
): Promise<{ operation: Operation; connect: (input: Readable, output: Writable) => Promise<void>; close(): void }> => {
  const operation = await startConsole(client, instance, { type: 'vga', width: 0, height: 0 });
  const control = await openChannel(operation, 'control', (socket) => socket.on('error', () => undefined));
  return {
    operation,
    connect: async (input, output) => {
      let received: Promise<void> | undefined;
      const data = await openChannel(operation, '0', (socket) => {
        received = receiveInto(socket, output);
      });
      await Promise.race([received, sendFrom(data, input)]);
      data.close();
    },
    close: () => control.close(),
  };
};

/** The text the console printed so far. */
export const consoleLog = async (client: Client, instance: string): Promise<string> => {
  const reply = await client.raw('GET', client.path(['instances', instance, 'console']));
  if (reply.status !== 200) {
    await readEnvelope(reply);
    throw new ApiError(`The server answered ${reply.status} to the console log`, reply.status);
  }
  return readText(reply.body);
};

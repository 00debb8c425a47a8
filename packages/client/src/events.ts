import type { EventType, Event as LxdEvent } from '@lxd-ts/api';
import type { Client } from './client.ts';
import { openWebSocket } from './websocket.ts';

export type { Event as LxdEvent, EventType } from '@lxd-ts/api';

export interface EventOptions {
  /** Which kinds; all that the caller may see if left out. */
  types?: readonly EventType[];
  allProjects?: boolean;
  onEvent(event: LxdEvent): void;
}

/** An open event stream. */
export interface EventStream {
  /** Settles when the server closes the stream, or `close` was called. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Subscribes to the server's events; when this resolves the stream is open and nothing is missed from then on. */
export const openEvents = async (client: Client, options: EventOptions): Promise<EventStream> => {
  const scope = options.allProjects ? client.inProject('') : client;
  const path = scope.path(['events'], {
    type: options.types?.join(','),
    'all-projects': options.allProjects,
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await openWebSocket(client.transport.endpoint, path, (opening) => {
    // The server sends text frames that each hold one event.
    opening.on('message', (data) => options.onEvent(JSON.parse(data.toString()) as LxdEvent));
    opening.once('close', () => resolve());
    opening.on('error', () => resolve());
  });
  return { closed: promise, close: () => socket.terminate() };
};

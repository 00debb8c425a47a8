import type { Operation as OperationObject } from '@lxd-ts/api';
import type { Body, CallOptions, Client } from './client.ts';
import type { AsyncReply } from './envelope.ts';
import { OperationError } from './errors.ts';

export type { Operation as OperationObject } from '@lxd-ts/api';

/** A background operation that was started. */
export interface Operation {
  readonly client: Client;
  /** As it was when it started. */
  readonly object: OperationObject;
  /** Blocks until the operation has ended well, and gives its last state. Throws OperationError if it ended otherwise. */
  wait(options?: { signal?: AbortSignal | undefined }): Promise<OperationObject>;
  /** Reads its present state. */
  refresh(): Promise<OperationObject>;
  /** Asks the server to cancel it. Throws ApiError if it cannot be cancelled. */
  cancel(): Promise<void>;
  /** The path of its stream with the given secret, project and member included. */
  streamPath(secret: string): string;
}

/** Makes the handle of an operation from the reply that started it. */
export const handle = (client: Client, { operation }: AsyncReply): Operation => {
  const segments = ['operations', operation.id];
  // A cluster member is named in the operation's id, so `target` must not be sent along; the project must.
  const direct = client.target === '' ? client : client.onMember('');
  return {
    client,
    object: operation,
    wait: async ({ signal } = {}) => {
      const { value } = await direct.get<OperationObject>([...segments, 'wait'], {}, { signal });
      if (value.status_code !== 200) throw new OperationError(value.err || value.status, value.status_code);
      return value;
    },
    refresh: async () => (await direct.get<OperationObject>(segments)).value,
    cancel: async () => {
      await direct.send('DELETE', segments);
    },
    streamPath: (secret) => direct.path([...segments, 'websocket'], { secret }),
  };
};

/** How to watch an operation while it runs. */
export interface WatchOptions extends CallOptions {
  /** Called with each state the server publishes, in order, until the operation has ended. */
  onUpdate?: ((operation: OperationObject) => void) | undefined;
  /** Called once the operation has started, e.g. to offer cancelling it. */
  onStart?: ((operation: Operation) => void) | undefined;
}

/**
 * Starts a background operation and waits for its end.
 *
 * With `onUpdate` the event stream is opened before the request is sent, so that no update is missed (spec 09 OPS-07).
 *
 * @returns the last state of the operation; `undefined` if the server was done at once
 * @throws OperationError if it failed or was cancelled
 */
export const run = async (
  client: Client,
  method: string,
  segments: readonly string[],
  body?: Body,
  options: WatchOptions = {},
): Promise<OperationObject | undefined> => {
  const { onUpdate, onStart, ...call } = options;
  let watched = '';
  const early: OperationObject[] = [];
  const events = onUpdate
    ? await (await import('./events.ts')).openEvents(client, {
        types: ['operation'],
        onEvent: ({ metadata }) => {
          // The event of this type carries the operation (spec 09 EVT-05).
          const operation = metadata as OperationObject;
          if (watched === '') early.push(operation);
          else if (operation.id === watched) onUpdate(operation);
        },
      })
    : undefined;
  try {
    const operation = await client.start(method, segments, body, call);
    if (operation === undefined) return undefined;
    watched = operation.object.id;
    for (const update of early.filter(({ id }) => id === watched)) onUpdate?.(update);
    onStart?.(operation);
    return await operation.wait({ signal: call.signal });
  } finally {
    events?.close();
  }
};

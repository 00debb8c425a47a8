import type { Client } from './client.ts';
import { ApiError, ConnectionError } from './errors.ts';
import type { Operation, OperationObject } from './operations.ts';
import { run } from './operations.ts';
import { openWebSocket, type WebSocket } from './websocket.ts';

/**
 * How data gets from one server to another: the target fetches it, the source sends it, or this client connects to both
 * and passes it on.
 */
export type TransferMode = 'pull' | 'push' | 'relay';

/** A move or copy of an instance, volume or snapshot between two servers (spec 09 MOD-06, MIG-01). */
export interface Transfer {
  mode: TransferMode;
  /** Where it is; `body` goes with the POST that starts sending it. */
  source: { client: Client; segments: readonly string[]; body: object };
  /** Where it shall be; `body` is the POST that creates it, `from` what its `source` says beside the transfer itself. */
  target: { client: Client; segments: readonly string[]; body: object; from: object };
  onUpdate?: ((operation: OperationObject) => void) | undefined;
  onStart?: ((operation: Operation) => void) | undefined;
}

const secretsOf = (operation: Operation): Record<string, string> =>
  // A migration's metadata is a map of channels to secrets (spec 09 MIG-01).
  (operation.object.metadata ?? {}) as Record<string, string>;

/** The addresses and the certificate under which other servers reach this one. */
const reachable = async (
  client: Client,
  end: 'source' | 'target',
): Promise<{ urls: string[]; certificate: string }> => {
  const { value } = await client.get<{ environment: { addresses: string[] | null; certificate: string } }>([]);
  const { addresses, certificate } = value.environment;
  const { endpoint } = client.transport;
  const own = endpoint.kind === 'https' ? [endpoint.url] : [];
  const urls = [...own, ...(addresses ?? []).map((address) => `https://${address}`)];
  if (urls.length === 0) throw new ConnectionError(`The ${end} server isn't listening on the network`);
  return { urls: [...new Set(urls)], certificate };
};

const begin = async (client: Client, segments: readonly string[], body: object): Promise<Operation> => {
  const operation = await client.start('POST', segments, body);
  if (operation === undefined) throw new ConnectionError('The server answered a migration without an operation');
  return operation;
};

const operationUrl = (base: string, operation: Operation): string => `${base}/1.0/operations/${operation.object.id}`;

/** Tries each address in turn, since not every one can be reached from everywhere; the last failure counts. */
const firstOf = async <T>(urls: readonly string[], attempt: (url: string) => Promise<T>): Promise<T> => {
  const failures: unknown[] = [];
  for (const url of urls) {
    try {
      return await attempt(url);
    } catch (error) {
      // A server that refuses the request itself will refuse it again.
      if (error instanceof ApiError) throw error;
      failures.push(error);
    }
  }
  throw failures.at(-1);
};

const pull = async ({ source, target, ...watch }: Transfer): Promise<void> => {
  const { urls, certificate } = await reachable(source.client, 'source');
  await firstOf(urls, async (url) => {
    const sending = await begin(source.client, source.segments, { ...source.body, migration: true });
    const from = { type: 'migration', mode: 'pull', operation: operationUrl(url, sending), certificate };
    const body = { ...target.body, source: { ...target.from, ...from, secrets: secretsOf(sending) } };
    await run(target.client, 'POST', target.segments, body, watch);
  });
};

const push = async ({ source, target, ...watch }: Transfer): Promise<void> => {
  const { urls, certificate } = await reachable(target.client, 'target');
  await firstOf(urls, async (url) => {
    const from = { type: 'migration', mode: 'push' };
    const receiving = await begin(target.client, target.segments, {
      ...target.body,
      source: { ...target.from, ...from },
    });
    const sendTo = { operation: operationUrl(url, receiving), certificate, secrets: secretsOf(receiving) };
    const body = { ...source.body, migration: true, target: sendTo };
    await run(source.client, 'POST', source.segments, body, watch);
    await receiving.wait();
  });
};

/** Passes each message of a socket on to the other one, one at a time, so that a slow receiver holds the sender back. */
const forwardTo =
  (other: Promise<WebSocket>) =>
  (from: WebSocket): void => {
    from.on('message', (data, isBinary) => {
      from.pause();
      void other.then((to) => to.send(data, { binary: isBinary }, () => from.resume()));
    });
    const end = (): void => void other.then((to) => to.close());
    from.once('close', end);
    from.on('error', end);
  };

/** Joins one channel of the sending operation with the same channel of the receiving one. */
const joinChannel = async (
  sending: Operation,
  offered: string,
  receiving: Operation,
  wanted: string,
): Promise<void> => {
  const near = Promise.withResolvers<WebSocket>();
  const far = Promise.withResolvers<WebSocket>();
  const open = ({ client, streamPath }: Operation, secret: string, other: Promise<WebSocket>): Promise<WebSocket> =>
    openWebSocket(client.transport.endpoint, streamPath(secret), forwardTo(other));
  const [from, to] = await Promise.all([open(sending, offered, far.promise), open(receiving, wanted, near.promise)]);
  near.resolve(from);
  far.resolve(to);
};

const relay = async ({ source, target, onUpdate, onStart }: Transfer): Promise<void> => {
  const sending = await begin(source.client, source.segments, { ...source.body, migration: true });
  const receiving = await begin(target.client, target.segments, {
    ...target.body,
    source: { ...target.from, type: 'migration', mode: 'push' },
  });
  onStart?.(sending);
  const events = onUpdate
    ? await (await import('./events.ts')).openEvents(target.client, {
        types: ['operation'],
        onEvent: ({ metadata }) => {
          // The event of this type carries the operation (spec 09 EVT-05).
          const operation = metadata as OperationObject;
          if (operation.id === receiving.object.id) onUpdate(operation);
        },
      })
    : undefined;
  try {
    const offered = secretsOf(sending);
    const channels = Object.entries(secretsOf(receiving)).flatMap(([channel, wanted]) => {
      const secret = offered[channel];
      return secret === undefined ? [] : [joinChannel(sending, secret, receiving, wanted)];
    });
    await Promise.all(channels);
    await Promise.all([receiving.wait(), sending.wait()]);
  } finally {
    events?.close();
  }
};

/**
 * Copies something from one server to another.
 *
 * When one side fails, the other is left to end by itself, as it does once nobody talks to it: LXD 5.0 crashes when a
 * migration is cancelled in the moment in which it fails. A copy leaves the source as it is; for a move the caller deletes it after.
 *
 * @throws ConnectionError if the server that has to be reached does not listen on the network
 * @throws OperationError if either side fails
 */
export const transfer = (wanted: Transfer): Promise<void> => {
  if (wanted.mode === 'pull') return pull(wanted);
  return wanted.mode === 'push' ? push(wanted) : relay(wanted);
};

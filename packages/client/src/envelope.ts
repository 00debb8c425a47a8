import { ApiError, ConnectionError } from './errors.ts';
import type { OperationObject } from './operations.ts';
import type { RawReply } from './transport.ts';

/** A reply as it stands in the body (spec 09 §2), every field as the server gave it. */
export interface Envelope {
  type: 'sync' | 'async' | 'error';
  status: string;
  status_code: number;
  operation: string;
  error_code: number;
  error: string;
  metadata: unknown;
}

/** What a finished request gives: the metadata as `T`, and the headers that matter. */
export interface Reply<T> {
  value: T;
  /** The `ETag` header as sent, quotes included, to be given back in `If-Match`; empty if there was none. */
  etag: string;
  /** The URL of what was created, from `Location`; empty if there was none. */
  location: string;
}

/** A reply that started a background operation. */
export interface AsyncReply {
  /** e.g. `/1.0/operations/<uuid>` */
  url: string;
  operation: OperationObject;
}

/** Reads a body to its end as text. */
export const readText = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

const isEnvelope = (value: unknown): value is Envelope =>
  typeof value === 'object' &&
  value !== null &&
  'type' in value &&
  (value.type === 'sync' || value.type === 'async' || value.type === 'error');

/**
 * Reads the envelope of a JSON reply.
 *
 * @param show - told the text of the reply, for debugging
 * @throws ApiError if the server answered with an error
 * @throws ConnectionError if the body is not an LXD reply
 */
export const readEnvelope = async (reply: RawReply, show?: (text: string) => void): Promise<Envelope> => {
  const text = await readText(reply.body);
  show?.(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new ConnectionError(`The server answered ${reply.status} with something that is not JSON`, '', { cause });
  }
  if (!isEnvelope(parsed)) throw new ConnectionError(`The server answered ${reply.status} without an LXD envelope`);
  if (parsed.type === 'error') throw new ApiError(parsed.error, parsed.error_code || reply.status);
  return parsed;
};

const header = (reply: RawReply, name: string): string => {
  const value = reply.headers[name];
  return typeof value === 'string' ? value : '';
};

/** Takes the metadata of a synchronous reply; the caller names the type that the API describes for the path. */
export const toSync = <T>(reply: RawReply, envelope: Envelope): Reply<T> => {
  if (envelope.type !== 'sync') throw new ConnectionError('The server started an operation where none was expected');
  return {
    // The one place where the server is taken at its word: the described type of the path asked for.
    value: envelope.metadata as T,
    etag: header(reply, 'etag'),
    location: header(reply, 'location'),
  };
};

/** Takes the operation of a reply; `undefined` if the server had already finished and answered synchronously. */
export const toAsync = (envelope: Envelope): AsyncReply | undefined => {
  if (envelope.type === 'sync') return undefined;
  // As above: an async reply's metadata is the operation (spec 09 ENV-02).
  return { url: envelope.operation, operation: envelope.metadata as OperationObject };
};

import type { Readable } from 'node:stream';
import type { Endpoint } from './endpoint.ts';
import { type Envelope, type Reply, readEnvelope, toAsync, toSync } from './envelope.ts';
import type { Operation } from './operations.ts';
import { handle } from './operations.ts';
import { createTransport, type RawReply, type Transport } from './transport.ts';
import { apiPath, type Query, queryString } from './url.ts';

/** What may go with a request beside its path. */
export interface CallOptions {
  query?: Query;
  /** Sent as `If-Match`: the change is made only if the object is still as it was read. */
  etag?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** A body: plain data goes out as JSON, bytes and streams as they are. */
export type Body = object | string | Uint8Array | Readable;

/** Told about each request and its reply, for debugging; streams are not shown. */
export type Trace = (
  event:
    | { kind: 'request'; method: string; path: string; etag: string; body: string }
    | { kind: 'reply'; status: number; body: string },
) => void;

/**
 * One server, seen from one project and, in a cluster, through one member.
 * Path segments are given unescaped and without `1.0`: `get(['instances', name])`.
 */
export interface Client {
  readonly transport: Transport;
  /** The project every request is made in; empty for the server's default. */
  readonly project: string;
  /** The cluster member every request is made for; empty for any. */
  readonly target: string;
  /** The same server, another project. */
  inProject(project: string): Client;
  /** The same server, requests for one cluster member. */
  onMember(target: string): Client;
  /** The URL path of a resource, with `project` and `target`. */
  path(segments: readonly string[], query?: Query): string;
  /** A request whose body and reply are handled by the caller. `path` is complete. */
  raw(method: string, path: string, body?: Body, options?: CallOptions): Promise<RawReply>;
  /** A request by complete path; the envelope comes back unread. */
  query(method: string, path: string, body?: Body, options?: CallOptions): Promise<Envelope>;
  /** Reads one thing. `T` is the type the API describes for the path. */
  get<T>(segments: readonly string[], query?: Query, options?: CallOptions): Promise<Reply<T>>;
  /** A change that the server makes at once. */
  send<T = unknown>(method: string, segments: readonly string[], body?: Body, options?: CallOptions): Promise<Reply<T>>;
  /** A change that runs in the background; `undefined` if the server was done at once. */
  start(
    method: string,
    segments: readonly string[],
    body?: Body,
    options?: CallOptions,
  ): Promise<Operation | undefined>;
  close(): void;
}

const isStream = (body: Body): body is Readable => typeof body === 'object' && 'pipe' in body;

const encode = (body: Body): { body: string | Uint8Array | Readable; type: string; shown: string } => {
  if (typeof body === 'string') return { body, type: 'application/octet-stream', shown: body };
  if (body instanceof Uint8Array || isStream(body)) return { body, type: 'application/octet-stream', shown: '' };
  const text = JSON.stringify(body);
  return { body: text, type: 'application/json', shown: text };
};

/** Options that hold for all requests of a client. */
export interface ClientOptions {
  project?: string;
  target?: string;
  userAgent?: string;
  trace?: Trace | undefined;
}

/** A client over an open transport; several clients may share one. */
export const clientOver = (transport: Transport, options: ClientOptions = {}): Client => {
  const { project = '', target = '', userAgent = 'lxd-ts', trace } = options;

  const path: Client['path'] = (segments, query = {}) => apiPath(segments, { project, target, ...query });

  const raw: Client['raw'] = (method, fullPath, body, call = {}) => {
    const encoded = body === undefined ? undefined : encode(body);
    trace?.({ kind: 'request', method, path: fullPath, etag: call.etag ?? '', body: encoded?.shown ?? '' });
    return transport.send({
      method,
      path: fullPath,
      ...(encoded ? { body: encoded.body } : {}),
      signal: call.signal,
      headers: {
        'user-agent': userAgent,
        ...(encoded ? { 'content-type': encoded.type } : {}),
        ...(call.etag ? { 'if-match': call.etag } : {}),
        ...call.headers,
      },
    });
  };

  const read = (reply: RawReply): Promise<Envelope> =>
    readEnvelope(reply, trace && ((body) => trace({ kind: 'reply', status: reply.status, body })));

  const call = (method: string, segments: readonly string[], body: Body | undefined, callOptions: CallOptions = {}) =>
    raw(method, path(segments, callOptions.query), body, callOptions);

  const send: Client['send'] = async <T>(
    method: string,
    segments: readonly string[],
    body?: Body,
    callOptions?: CallOptions,
  ) => {
    const reply = await call(method, segments, body, callOptions);
    return toSync<T>(reply, await read(reply));
  };

  const client: Client = {
    transport,
    project,
    target,
    inProject: (name) => clientOver(transport, { ...options, project: name }),
    onMember: (name) => clientOver(transport, { ...options, target: name }),
    path,
    raw,
    query: async (method, fullPath, body, callOptions = {}) =>
      read(await raw(method, fullPath + queryString(callOptions.query ?? {}), body, callOptions)),
    send,
    get: (segments, query = {}, callOptions = {}) => send('GET', segments, undefined, { ...callOptions, query }),
    start: async (method, segments, body, callOptions) => {
      const started = toAsync(await read(await call(method, segments, body, callOptions)));
      return started && handle(client, started);
    },
    close: () => transport.close(),
  };
  return client;
};

/**
 * A client of one server. Nothing is sent before the first request.
 *
 * @example
 * const client = connect({ kind: 'unix', socketPath: '/var/lib/lxd/unix.socket' });
 * const { value } = await client.get<string[]>(['instances']);
 */
export const connect = (endpoint: Endpoint, options: ClientOptions = {}): Client =>
  clientOver(createTransport(endpoint), options);

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Reply as AnyReply, asyncReply, errorReply, InvalidInputError, syncReply } from '@lxd-ts/api';
import { type ErrorKind, forbidden, isKind, LxdError, messageOf, notFound } from '@lxd-ts/driver-kit';
import { Hono } from 'hono';
import type { Logger } from 'pino';
import { etagOf } from './etag.ts';
import { type Identity, isAdmin, isTrusted } from './identity.ts';
import type { Reply } from './reply.ts';
import { type ApiRequest, asCaller } from './request.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Handler = (request: ApiRequest) => Promise<Reply> | Reply;
/** Takes over the connection. Answers errors by throwing before it has written anything. */
export type UpgradeHandler = (request: ApiRequest, socket: Duplex, head: Buffer) => Promise<void> | void;

/**
 * Who may call: `public` everybody (the handler looks at `request.identity`), `user` any trusted caller within their
 * projects, `admin` trusted callers who are not confined to projects, `local` those on the Unix socket.
 */
export type Access = 'public' | 'user' | 'admin' | 'local';

export interface Router {
  /** Registers a route. Segments such as `:name` become parameters. */
  on(method: Method, path: string, handler: Handler, access?: Access): void;
  /** Registers a route that answers with a protocol upgrade (WebSocket, SFTP). */
  onUpgrade(path: string, handler: UpgradeHandler, access?: Access): void;
  /** Answers a request; for `@hono/node-server`. */
  readonly app: Hono<Bindings>;
  /** Answers a request for an upgrade. */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

type Bindings = { Bindings: { incoming: IncomingMessage; outgoing: ServerResponse } };

const statusOf: Readonly<Record<ErrorKind, number>> = {
  'bad-request': 400,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'precondition-failed': 412,
  internal: 500,
  'not-implemented': 501,
  unavailable: 503,
};

/** The HTTP status and sentence for whatever a handler threw. */
export const describeError = (error: unknown): { status: number; message: string } => ({
  status: isKind(error) ? statusOf[error.kind] : error instanceof InvalidInputError ? 400 : 500,
  message: messageOf(error),
});

/** A body as the wire has it. */
const bodyOf = (reply: AnyReply<unknown>): string => `${JSON.stringify(reply)}\n`;

interface Options {
  readonly log: Logger;
  /** Finds out who is calling. */
  readonly identify: (incoming: IncomingMessage) => Identity;
  /** Rejects while the daemon is not ready or shutting down. @throws LxdError unavailable */
  readonly gate?: (path: string) => void;
}

/** Checks access of the caller to the route and to the project it names. */
const authorize = (request: ApiRequest, access: Access): void => {
  if (access === 'public') return;
  if (!isTrusted(request.identity)) throw forbidden('not authorized');
  if (access === 'local' && request.identity.method !== 'unix') throw forbidden('Only for callers on the local socket');
  if (access === 'admin' && !isAdmin(request.identity))
    throw forbidden('The certificate is restricted to projects and may not do this');
  const { projects, metricsOnly } = request.identity;
  if (metricsOnly) throw forbidden('A certificate of type metrics may read metrics only');
  if (projects && request.query.get('all-projects') === 'true')
    throw forbidden('A restricted certificate must name one of its projects');
  if (projects && !projects.includes(request.project)) {
    throw forbidden(`The certificate may not use project "${request.project}"`);
  }
};

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    // A stray % is a character like any other in a name; the lookup then says that there is no such object.
    return segment;
  }
};

export const createRouter = (options: Options): Router => {
  const app = new Hono<Bindings>({ strict: false });
  const upgrades: { pattern: RegExp; names: string[]; handler: UpgradeHandler; access: Access }[] = [];

  const requestOf = (incoming: IncomingMessage, url: URL, params: Record<string, string>): ApiRequest => ({
    method: incoming.method ?? 'GET',
    path: url.pathname,
    params,
    query: url.searchParams,
    project: url.searchParams.get('project') || 'default',
    identity: options.identify(incoming),
    ifMatch: incoming.headers['if-match'],
    incoming,
  });

  const fail = (error: unknown, request: { method: string; path: string }): { status: number; body: string } => {
    const { status, message } = describeError(error);
    if (status >= 500) options.log.error({ err: error, method: request.method, path: request.path }, message);
    else options.log.debug({ method: request.method, path: request.path, status }, message);
    return { status, body: bodyOf(errorReply(status, message)) };
  };

  /**
   * Writes a whole answer. Straight to Node's response: a `Response` of the web's kind would be taken apart again on the
   * way there, which costs more than all the rest of a small request.
   */
  const send = (
    outgoing: ServerResponse,
    status: number,
    body: string,
    headers: Readonly<Record<string, string>> = {},
  ): Response => {
    outgoing.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      ...headers,
    });
    outgoing.end(body);
    return RESPONSE_ALREADY_SENT;
  };

  const respond = async (reply: Reply, outgoing: ServerResponse): Promise<Response> => {
    switch (reply.kind) {
      case 'sync': {
        const headers: Record<string, string> = { ...reply.headers };
        if (reply.editable !== undefined) headers['ETag'] = `"${etagOf(reply.editable)}"`;
        if (reply.location !== undefined) headers['Location'] = reply.location;
        return send(outgoing, reply.location === undefined ? 200 : 201, bodyOf(syncReply(reply.metadata)), headers);
      }
      case 'async': {
        const { operation } = reply;
        const body = bodyOf(asyncReply(operation.render()));
        operation.start();
        return send(outgoing, 202, body, { Location: operation.url });
      }
      case 'text':
        return send(outgoing, reply.status, reply.body, {
          'Content-Type': 'text/plain; charset=utf-8',
          ...reply.headers,
        });
      case 'stream':
        await reply.write(outgoing);
        return RESPONSE_ALREADY_SENT;
    }
  };

  app.notFound(({ env }) => send(env.outgoing, 404, bodyOf(errorReply(404, 'not found'))));

  return {
    app,

    on(method, path, handler, access = 'user') {
      app.on(method, path, async (context) => {
        const { incoming, outgoing } = context.env;
        const params: Record<string, string> = {};
        for (const [name, value] of Object.entries<string | undefined>(context.req.param()))
          params[name] = decode(value ?? '');
        const request = requestOf(incoming, new URL(incoming.url ?? '/', 'http://localhost'), params);
        try {
          options.gate?.(request.path);
          authorize(request, access);
          return await respond(await asCaller(request.identity, () => handler(request)), outgoing);
        } catch (error) {
          const { status, body } = fail(error, request);
          if (outgoing.headersSent) {
            outgoing.destroy(error instanceof Error ? error : undefined);
            return RESPONSE_ALREADY_SENT;
          }
          return send(outgoing, status, body);
        }
      });
    },

    onUpgrade(path, handler, access = 'user') {
      const names = [...path.matchAll(/:([a-z]+)/g)].map((match) => String(match[1]));
      upgrades.push({ pattern: new RegExp(`^${path.replace(/:[a-z]+/g, '([^/]+)')}/?$`), names, handler, access });
    },

    async upgrade(incoming, socket, head) {
      const url = new URL(incoming.url ?? '/', 'http://localhost');
      try {
        options.gate?.(url.pathname);
        const found = upgrades.find((entry) => entry.pattern.test(url.pathname));
        const match = found?.pattern.exec(url.pathname);
        if (!found || !match) throw notFound('not found');
        const params = Object.fromEntries(found.names.map((name, at) => [name, decode(match[at + 1] ?? '')]));
        const request = requestOf(incoming, url, params);
        authorize(request, found.access);
        await asCaller(request.identity, () => found.handler(request, socket, head));
      } catch (error) {
        const { status, body } = fail(error, { method: 'GET', path: url.pathname });
        socket.end(
          `HTTP/1.1 ${status} Error\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
        );
      }
    },
  };
};

/** Makes an error of an HTTP status that a peer answered. */
export const errorFromStatus = (status: number, message: string): LxdError => {
  const kind = (Object.keys(statusOf) as ErrorKind[]).find((candidate) => statusOf[candidate] === status);
  return new LxdError(kind ?? 'internal', message);
};

import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Endpoint, HttpsEndpoint } from './endpoint.ts';
import { readEnvelope } from './envelope.ts';
import { ApiError, ConnectionError } from './errors.ts';

/** One HTTP request as it goes out. */
export interface RawRequest {
  method: string;
  /** Path and query, e.g. `/1.0/instances?recursion=1`. */
  path: string;
  headers?: Record<string, string>;
  /** A text or bytes sent with their length, or a stream sent in chunks. */
  body?: string | Uint8Array | Readable;
  signal?: AbortSignal | undefined;
}

/** One HTTP reply: the status, lower-case header names, and the body yet to be read. */
export interface RawReply {
  status: number;
  headers: IncomingHttpHeaders;
  body: IncomingMessage;
}

/** A way to reach one server. Connections are kept open between requests until `close`. */
export interface Transport {
  readonly endpoint: Endpoint;
  send(request: RawRequest): Promise<RawReply>;
  /** Asks for a protocol upgrade and hands back the bare socket, with what the server already sent. */
  upgrade(request: RawRequest): Promise<{ socket: import('node:net').Socket; head: Buffer; status: number }>;
  close(): void;
}

/** What `node:tls` needs to trust exactly the pinned certificate, or the CA, or the system's list. */
export const tlsOptions = (endpoint: HttpsEndpoint): import('node:tls').ConnectionOptions => {
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  const { pinnedCertificate: pinned, ca, clientCertificate: cert, clientKey: key } = endpoint;
  const minVersion = process.env.LXD_INSECURE_TLS ? 'TLSv1.2' : 'TLSv1.3';
  return {
    minVersion,
    ...(cert !== undefined && key !== undefined ? { cert, key } : {}),
    ...(ca !== undefined ? { ca: [ca] } : {}),
    ...(pinned !== undefined
      ? {
          ca: [pinned],
          allowPartialTrustChain: true,
          checkServerIdentity: (_host: string, peer: { raw: Buffer }) =>
            peer.raw.equals(new X509Certificate(pinned).raw)
              ? undefined
              : new Error('The server certificate is not the one remembered for this server'),
        }
      : {}),
  };
};

const connectionError = (endpoint: Endpoint, cause: NodeJS.ErrnoException): ConnectionError => {
  const where = endpoint.kind === 'unix' ? endpoint.socketPath : endpoint.url;
  return new ConnectionError(`Cannot reach the server at ${where}: ${cause.message}`, cause.code ?? '', { cause });
};

const target = (endpoint: Endpoint): RequestOptions & { servername?: string } => {
  // `servername` spares the agent from finding out whether the host is an address (3 ms for its regular expressions).
  if (endpoint.kind === 'unix') return { socketPath: endpoint.socketPath, servername: '', headers: { host: 'lxd' } };
  const { hostname, port } = new URL(endpoint.url);
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) };
};

/** Opens nothing yet: the first request connects. */
export const createTransport = (endpoint: Endpoint): Transport => {
  // An ES import of node:http would read every export, some of which load all of undici: 20 ms at every start.
  const http = process.getBuiltinModule('node:http');
  const https = endpoint.kind === 'https' ? process.getBuiltinModule('node:https') : undefined;
  const agentOptions = { keepAlive: true, maxSockets: 32 };
  const tls = endpoint.kind === 'https' ? tlsOptions(endpoint) : {};
  const agent: Agent = https ? new https.Agent({ ...agentOptions, ...tls }) : new http.Agent(agentOptions);

  const open = (request: RawRequest, extra: RequestOptions): ClientRequest => {
    const base = target(endpoint);
    const bearer =
      endpoint.kind === 'https' && endpoint.accessToken ? { authorization: `Bearer ${endpoint.accessToken}` } : {};
    const options: RequestOptions = {
      ...base,
      method: request.method,
      path: request.path,
      ...(request.signal ? { signal: request.signal } : {}),
      ...extra,
      headers: { ...base.headers, ...bearer, ...request.headers, ...extra.headers },
    };
    return https ? https.request(options) : http.request(options);
  };

  const send = (request: RawRequest): Promise<RawReply> =>
    new Promise((resolve, reject) => {
      const outgoing = open(request, { agent });
      // After the reply is there the sending side may still break (a server that refuses an upload): the reply counts.
      outgoing.on('error', (cause) => reject(request.signal?.aborted ? cause : connectionError(endpoint, cause)));
      outgoing.on('response', (body) => resolve({ status: body.statusCode ?? 0, headers: body.headers, body }));
      if (request.body instanceof Readable) {
        pipeline(request.body, outgoing).catch((cause) => reject(cause));
      } else {
        if (request.body !== undefined) outgoing.setHeader('content-length', Buffer.byteLength(request.body));
        outgoing.end(request.body);
      }
    });

  const upgrade: Transport['upgrade'] = (request) =>
    new Promise((resolve, reject) => {
      // A socket of its own: what is upgraded never returns to the pool.
      const outgoing = open(request, { agent: false, ...tls, headers: { connection: 'Upgrade' } });
      outgoing.on('error', (cause) => reject(connectionError(endpoint, cause)));
      outgoing.on('upgrade', (reply, socket, head) => resolve({ socket, head, status: reply.statusCode ?? 0 }));
      outgoing.on('response', (body) => {
        const refused = new ConnectionError(
          `The server refused the upgrade of ${request.path} with status ${body.statusCode}`,
        );
        // The server's own sentence, if it gives one, says more than the status.
        readEnvelope({ status: body.statusCode ?? 0, headers: body.headers, body }).then(
          () => reject(refused),
          (error) => reject(error instanceof ApiError ? error : refused),
        );
      });
      outgoing.end();
    });

  return { endpoint, send, upgrade, close: () => agent.destroy() };
};

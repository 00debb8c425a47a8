/** Answers requests: who is it, what do they want, and what went wrong. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { authenticate } from './authenticate.ts';
import { bodyOf } from './body.ts';
import { dispatch } from './dispatch.ts';
import { S3Error, toS3Error } from './errors.ts';
import type { Access, GrantedBucket } from './grant.ts';
import type { Reply } from './operation.ts';
import { type Target, targetOf } from './target.ts';
import { renderError } from './xml.ts';

export interface S3Options {
  /** Who may do what. */
  readonly access: Access;
  /** Names of this server, without a port. `bucket.<name>` as the host of a request names the bucket (virtual-host style). */
  readonly domains?: readonly string[];
  /** Told of what is answered with InternalError. */
  readonly onError?: (error: unknown, request: string) => void;
}

/** @param promised - the client waits to be told to send the body (`Expect: 100-continue`) */
export type S3Handler = (incoming: IncomingMessage, outgoing: ServerResponse, promised?: boolean) => Promise<void>;

/** What a refused client may still send so that it gets to read why. */
const maxDrainBytes = 64 * 1024 ** 2;

/** The bucket and the key that a request names, each empty when there is none. */
const named = (target: Target, domains: readonly string[]): { bucket: string; key: string } => {
  const host = (target.header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
  const domain = domains.find((name) => host.endsWith(`.${name.toLowerCase()}`));
  const path = target.path.slice(1);
  if (domain !== undefined) return { bucket: host.slice(0, -domain.length - 1), key: path };
  const at = path.indexOf('/');
  return at === -1 ? { bucket: path, key: '' } : { bucket: path.slice(0, at), key: path.slice(at + 1) };
};

/** Reads what is left of a body that nobody wants, within limits: a client that still sends would not see the answer. */
const drain = async (incoming: IncomingMessage): Promise<void> => {
  let size = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > maxDrainBytes) throw new S3Error('EntityTooLarge');
  }
};

const send = async (outgoing: ServerResponse, { status, headers = {}, body }: Reply, head: boolean): Promise<void> => {
  const length = typeof body === 'string' ? { 'Content-Length': Buffer.byteLength(body) } : {};
  const none = body === undefined && status !== 204 && status !== 304 && !('Content-Length' in headers);
  outgoing.writeHead(status, { ...headers, ...length, ...(none ? { 'Content-Length': 0 } : {}) });
  if (body === undefined) outgoing.flushHeaders();
  else if (typeof body !== 'string') await pipeline(body, outgoing, { end: false });
  else if (!head) outgoing.write(body);
};

/** Makes the function that answers requests; it never rejects. */
export const createS3Handler = ({ access, domains = [], onError }: S3Options): S3Handler => {
  const fail = (error: unknown, target: Target | undefined, id: string, request: string): Reply => {
    const known = toS3Error(error);
    if (known.code === 'InternalError') onError?.(error, request);
    if (known.code === 'NotModified') return { status: known.status };
    const resource = target?.path ?? '';
    return {
      status: known.status,
      headers: { 'Content-Type': 'application/xml' },
      body: renderError({ Code: known.code, Message: known.message, Resource: resource, RequestId: id }),
    };
  };

  return async (incoming, outgoing, promised = false) => {
    const id = randomBytes(8).toString('hex').toUpperCase();
    const request = `${incoming.method} ${incoming.url}`;
    outgoing.setHeader('x-amz-request-id', id);
    outgoing.setHeader('Server', 'lxd-ts-s3');
    // A connection that breaks is the end of its request, and said by what reads and writes.
    outgoing.on('error', () => outgoing.destroy());
    let target: Target | undefined;
    let reply: Reply;
    let waiting = promised;
    try {
      const known = targetOf(incoming);
      target = known;
      const authenticated = await authenticate(known, access);
      const { grant } = authenticated;
      const { bucket, key } = named(known, domains);
      reply = await dispatch(
        {
          target: known,
          grant,
          body(limit) {
            const body = bodyOf(
              incoming,
              known,
              authenticated,
              limit === undefined ? undefined : { bytes: limit, code: 'MaxMessageLengthExceeded' },
            );
            if (waiting) outgoing.writeContinue();
            waiting = false;
            return body;
          },
          cut: () => incoming.destroy(),
          granted(name): GrantedBucket {
            const found = grant.buckets.find((one) => one.name === name);
            if (!found) throw new S3Error('AccessDenied');
            return found;
          },
        },
        bucket,
        key,
      );
    } catch (error) {
      reply = fail(error, target, id, request);
      // Whether a client that was not asked for the body sends it all the same cannot be known.
      if (waiting) outgoing.setHeader('Connection', 'close');
    }
    try {
      await send(outgoing, reply, incoming.method === 'HEAD');
      if (!waiting && !incoming.complete) await drain(incoming);
      outgoing.end();
    } catch (error) {
      // The status has been sent: all that can be said is that it ends here. Clients that go away are no error.
      if (!outgoing.destroyed && !(error instanceof S3Error)) onError?.(error, request);
      outgoing.destroy();
    }
  };
};

import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { parseBody } from '@lxd-ts/api/schema';
import { badRequest } from '@lxd-ts/driver-kit';
import type { z } from 'zod';
import type { Identity } from './identity.ts';

/** Bodies that are parsed as JSON may be this large; files and images are streamed and have no limit. */
const maxJsonBytes = 4 * 1024 * 1024;

/** A request as routes see it. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  /** Decoded path parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The `project` parameter, `default` when absent. */
  readonly project: string;
  readonly identity: Identity;
  readonly ifMatch: string | undefined;
  /** The raw request: headers, and the body for streamed uploads. */
  readonly incoming: IncomingMessage;
}

/** The `recursion` parameter as a number; absent or unreadable is 0. */
export const recursionOf = (request: ApiRequest): number =>
  Number.parseInt(request.query.get('recursion') ?? '0', 10) || 0;

/** One path parameter. The router guarantees those in the route's pattern. */
export const param = (request: ApiRequest, name: string): string => {
  const value = request.params[name];
  if (value === undefined) throw new Error(`Route ${request.path} has no parameter ${name}`);
  return value;
};

/** Reads the body as text. @throws LxdError bad-request when it is too large */
export const readBody = async (incoming: IncomingMessage, limit = maxJsonBytes): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += bytes.length;
    if (size > limit) throw badRequest(`The request body is larger than ${limit} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/**
 * Reads the body as JSON and checks it. An empty body counts as `{}`.
 *
 * @throws LxdError bad-request, InvalidInputError naming the field
 */
export const json = async <T>(request: ApiRequest, schema: z.ZodType<T>): Promise<T> => {
  const body = await readBody(request.incoming);
  let value: unknown;
  try {
    value = body.trim() === '' ? {} : JSON.parse(body);
  } catch (error) {
    throw badRequest(`The request body is not valid JSON: ${error instanceof Error ? error.message : error}`);
  }
  // Only an escape can bring in half a character; names and URLs cannot be made of it.
  if (/\\u[dD][89a-fA-F]/.test(body) && !isWellFormed(value)) {
    throw badRequest('The request body holds text that is not valid Unicode');
  }
  return parseBody(schema, value);
};

/** Whether all texts in a JSON value are whole characters. */
const isWellFormed = (value: unknown): boolean => {
  if (typeof value === 'string') return value.isWellFormed();
  if (Array.isArray(value)) return value.every(isWellFormed);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isWellFormed(item));
};

const current = new AsyncLocalStorage<Identity>();

/** Runs the handling of a request so that `requestor` finds the caller, also in the operations that it starts. */
export const asCaller = <T>(identity: Identity, work: () => T): T => current.run(identity, work);

/** Who asked for what is being done now, for audit events; undefined for work of the daemon's own. */
export const requestor = (): { username: string; protocol: string; address: string } | undefined => {
  const identity = current.getStore();
  return identity && { username: identity.name, protocol: identity.method, address: identity.address };
};

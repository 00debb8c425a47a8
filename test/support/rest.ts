import { type Agent, request } from 'node:http';
import { z } from 'zod';

/** What every answer of the API looks like; `metadata` is the answer itself. */
const envelope = z.looseObject({
  type: z.string(),
  status_code: z.number().default(0),
  error: z.string().default(''),
  error_code: z.number().default(0),
  operation: z.string().default(''),
  metadata: z.unknown(),
});

export interface Reply {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

export interface RequestOptions {
  readonly headers?: Record<string, string>;
  readonly agent?: Agent;
}

/** Sends one request over a Unix socket; a plain value goes as JSON, a buffer as it is. */
export const send = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  { headers = {}, agent }: RequestOptions = {},
): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const length = payload === undefined ? {} : { 'content-length': String(payload.length) };
    const call = request(
      { socketPath, method, path, headers: { host: 'lxd', ...length, ...headers }, ...(agent ? { agent } : {}) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    call.once('error', reject);
    call.end(payload);
  });

const operation = z.looseObject({
  status_code: z.number(),
  err: z.string().default(''),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});

/** An error answer of the API, or an operation that failed. */
export class ApiError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/**
 * Sends a request and hands back the answer's metadata; waits for the operation when it began one, and hands back that
 * operation's metadata.
 *
 * @throws ApiError when the answer or the operation is a failure
 */
export const call = async (
  socket: string,
  method: string,
  path: string,
  body?: unknown,
  options?: RequestOptions,
): Promise<unknown> => {
  const reply = await send(socket, method, path, body, options);
  const answer = envelope.parse(JSON.parse(reply.body.toString()));
  if (answer.type === 'error') throw new ApiError(`${method} ${path}: ${answer.error}`, answer.error_code);
  if (answer.type !== 'async') return answer.metadata;
  const waited = await send(socket, 'GET', `${answer.operation}/wait?timeout=-1`, undefined, options);
  const ended = envelope.parse(JSON.parse(waited.body.toString()));
  if (ended.type === 'error') throw new ApiError(`${method} ${path}: ${ended.error}`, ended.error_code);
  const done = operation.parse(ended.metadata);
  if (done.status_code !== 200) throw new ApiError(`${method} ${path}: ${done.err}`, done.status_code);
  return done.metadata;
};

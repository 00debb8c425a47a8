import type { IncomingMessage } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { tlsOptions } from '@lxd-ts/client';
import { badRequest, type Config, messageOf } from '@lxd-ts/driver-kit';

export interface WebRequest {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** The server's certificate (PEM) when no authority vouches for it. */
  readonly certificate?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Requests to web servers, through the proxies of the server configuration (spec 04.35). */
export interface Web {
  /** Follows redirects. The body must be read or destroyed. @throws LxdError bad-request unless the answer is a 200 */
  request(url: string, options?: WebRequest): Promise<IncomingMessage>;
}

const maxRedirects = 5;

/** Proxy settings in the form Node's agents take: the server's keys, else the environment's. */
const proxyOf = (config: Config): NodeJS.ProcessEnv => {
  const value = (key: string, name: string): string | undefined =>
    config[key] ?? process.env[name] ?? process.env[name.toLowerCase()];
  return {
    HTTP_PROXY: value('core.proxy_http', 'HTTP_PROXY'),
    HTTPS_PROXY: value('core.proxy_https', 'HTTPS_PROXY'),
    NO_PROXY: value('core.proxy_ignore_hosts', 'NO_PROXY'),
  };
};

const send = (url: URL, options: WebRequest, config: Config): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, certificate, signal } = options;
    const isSecure = url.protocol === 'https:';
    const proxyEnv = proxyOf(config);
    const agent = isSecure
      ? new HttpsAgent({
          proxyEnv,
          ...tlsOptions({
            kind: 'https',
            url: url.href,
            ...(certificate ? { pinnedCertificate: certificate } : {}),
          }),
        })
      : new HttpAgent({ proxyEnv });
    const outgoing = (isSecure ? httpsRequest : httpRequest)(url, {
      method,
      headers: { 'user-agent': 'lxd-ts', ...headers },
      agent,
      ...(signal ? { signal } : {}),
    });
    outgoing.once('error', reject);
    outgoing.once('response', resolve);
    outgoing.end();
  });

/** @param config - the server configuration, read at each request */
export const createWeb = (config: () => Config): Web => ({
  async request(start, options = {}) {
    let url: URL;
    try {
      url = new URL(start);
    } catch (error) {
      throw badRequest(`Invalid URL "${start}"`, { cause: error });
    }
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      if (url.protocol !== 'https:' && url.protocol !== 'http:')
        throw badRequest(`Invalid URL "${url.href}": only http and https are supported`);
      let response: IncomingMessage;
      try {
        response = await send(url, options, config());
      } catch (error) {
        options.signal?.throwIfAborted();
        throw badRequest(`${options.method ?? 'GET'} "${url.href}": ${messageOf(error)}`, { cause: error });
      }
      const { statusCode = 0, headers } = response;
      if (statusCode === 200) return response;
      response.destroy();
      if (statusCode < 300 || statusCode >= 400 || headers.location === undefined)
        throw badRequest(`${options.method ?? 'GET'} "${url.href}": the server answered ${statusCode}`);
      const next = new URL(headers.location, url);
      if (url.protocol === 'https:' && next.protocol !== 'https:')
        throw badRequest(`"${url.href}" redirects to "${next.href}", which is not HTTPS`);
      url = next;
    }
    throw badRequest(`"${start}" redirects more than ${maxRedirects} times`);
  },
});

/** Reads a body that is kept in memory. @throws LxdError bad-request when it is larger than `limit` bytes */
export const readText = async (response: IncomingMessage, limit = 256 * 1024 * 1024): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > limit) throw badRequest(`The answer is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

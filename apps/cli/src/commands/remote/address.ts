import { UserError } from '../../command/errors.ts';
import { isRecord } from '../../yaml/shape.ts';

/** A token that lets a client add its certificate to a server. */
export interface TrustToken {
  /** As it was given: what the server wants to see again. */
  text: string;
  /** Of the server's certificate. */
  fingerprint: string;
  addresses: string[];
}

/** Reads a token as `lxc config trust add` prints it; `undefined` if the text is none. */
export const readToken = (text: string): TrustToken | undefined => {
  if (!/^[A-Za-z0-9+/]{40,}=*$/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
  } catch {
    // Base64 of something else: an address or a password that only looks like it.
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { fingerprint, addresses, secret } = value;
  if (typeof fingerprint !== 'string' || typeof secret !== 'string' || !Array.isArray(addresses)) return undefined;
  return {
    text,
    fingerprint,
    addresses: addresses.filter((address) => typeof address === 'string'),
  };
};

const defaultPort = '8443';

/**
 * The URL of a server from what a user types: a name, an address, either with a port, or a URL.
 *
 * `10.0.0.1` gives `https://10.0.0.1:8443`, `https://lxd.example` gives `https://lxd.example:8443`.
 *
 * @throws UserError for a scheme that LXD does not speak
 */
export const serverUrl = (text: string): string => {
  if (text.startsWith('unix:')) return text;
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text) ?? [undefined, undefined, text];
  if (scheme !== undefined && scheme !== 'https') throw new UserError(`Invalid URL scheme "${scheme}" in "${text}"`);
  // A bare IPv6 address has colons of its own and needs brackets in a URL.
  const bare = /^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(rest) ? `[${rest}]` : rest;
  let url: URL;
  try {
    url = new URL(`https://${bare}`);
  } catch {
    throw new UserError(`"${text}" is neither an address nor a URL of a server`);
  }
  // URL drops the port that is usual for https, 443, which has to be told from none given.
  const port = url.port || (/:443(\/|$)/.test(bare) ? '443' : defaultPort);
  return `https://${url.hostname}:${port}`;
};

import type { IncomingMessage } from 'node:http';
import { S3Error } from './errors.ts';

/** A request line and headers, decoded once. */
export interface Target {
  readonly method: string;
  /** The path as it came. */
  readonly rawPath: string;
  /** Decoded; begins with a slash. */
  readonly path: string;
  /** Decoded parameters, in their order. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** The value of a parameter, the first if there are several; undefined when there is none. */
  param(name: string): string | undefined;
  /** The value of a header; several are joined by commas, as signatures have them. */
  header(name: string): string | undefined;
  /** The names of all headers, in lower case. */
  readonly headerNames: readonly string[];
}

/** Decodes %XX. @throws S3Error InvalidURI */
export const decodeUri = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new S3Error('InvalidURI', undefined, { cause: error });
  }
};

/** Encodes all but the unreserved characters of RFC 3986, as signatures and listings want it. */
export const encodeUri = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const parseQuery = (text: string): [string, string][] =>
  text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      const [name, value] = at === -1 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
      return [decodeUri(name.replaceAll('+', ' ')), decodeUri(value.replaceAll('+', ' '))];
    });

/** @throws S3Error InvalidURI */
export const targetOf = (incoming: IncomingMessage): Target => {
  const url = incoming.url ?? '';
  if (!/^\/[\x21-\x7e]*$/.test(url)) throw new S3Error('InvalidURI');
  const at = url.indexOf('?');
  const rawPath = at === -1 ? url : url.slice(0, at);
  const query = at === -1 ? [] : parseQuery(url.slice(at + 1));
  const first = new Map(query.toReversed());
  return {
    method: incoming.method ?? 'GET',
    rawPath,
    path: decodeUri(rawPath),
    query,
    param: (name) => first.get(name),
    header: (name) => incoming.headersDistinct[name]?.join(','),
    headerNames: Object.keys(incoming.headersDistinct),
  };
};

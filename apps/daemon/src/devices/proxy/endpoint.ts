/** What `listen` and `connect` of a proxy say (spec 03 §32). Imports nothing: the forwarder shares it. */

export type Protocol = 'tcp' | 'udp' | 'unix';

/** One address, or one for each port of a list. */
export type Endpoint =
  | { readonly protocol: 'tcp' | 'udp'; readonly host: string; readonly ports: readonly number[] }
  | { readonly protocol: 'unix'; readonly path: string };

const portsOf = (span: string): number[] => {
  const [first = '', last = first] = span.split('-');
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, n) => Number(first) + n);
};

/**
 * Reads `<type>:<addr>:<port>[-<port>][,<port>]`, `unix:/path` or `unix:@name`.
 *
 * @param text - checked by the key's declaration before
 */
export const parseEndpoint = (text: string): Endpoint => {
  const colon = text.indexOf(':');
  const protocol = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (protocol !== 'tcp' && protocol !== 'udp') return { protocol: 'unix', path: rest };
  const last = rest.lastIndexOf(':');
  const host = rest.slice(0, last).replace(/^\[(.*)\]$/, '$1');
  return {
    protocol,
    host,
    ports: rest
      .slice(last + 1)
      .split(',')
      .flatMap(portsOf),
  };
};

/** An address that stands for all: `0.0.0.0`, `::` in any spelling, or none. */
export const isWildcard = (host: string): boolean => /^[0:.]*$/.test(host);

/** One place to listen at or to connect to. */
export type Place =
  | { readonly protocol: 'tcp' | 'udp'; readonly host: string; readonly port: number }
  | { readonly protocol: 'unix'; readonly path: string };

const places = (endpoint: Endpoint): Place[] =>
  endpoint.protocol === 'unix'
    ? [endpoint]
    : endpoint.ports.map((port) => ({ protocol: endpoint.protocol, host: endpoint.host, port }));

export interface Pair {
  readonly listen: Place;
  readonly connect: Place;
}

/** Which place forwards to which; undefined when the counts do not fit: as many as there are, or many to one. */
export const pairsOf = (listen: Endpoint, connect: Endpoint): Pair[] | undefined => {
  const [from, to] = [places(listen), places(connect)];
  if (to.length !== 1 && to.length !== from.length) return undefined;
  return from.flatMap((place, n) => {
    const target = to[to.length === 1 ? 0 : n];
    return target ? [{ listen: place, connect: target }] : [];
  });
};

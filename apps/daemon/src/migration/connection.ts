import { openWebSocket } from '@lxd-ts/client';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import type { OperationSockets } from '../operations/operation.ts';
import { type Channel, openChannel } from './channel.ts';

/** The channels between the two servers of a migration. Disposing breaks off what is not closed. */
export interface Connection extends Disposable {
  /** What they tell each other. */
  readonly control: Channel;
  /** Descriptions and data. */
  readonly fs: Channel;
}

/** The names of the channels, in which the secrets go by. */
export const channelNames = ['control', 'fs'] as const;

/** Where the other server waits. */
export interface Peer {
  /** The URL of its operation. */
  readonly operation: string;
  /** The certificate it has, PEM. Empty: one that the system trusts. */
  readonly certificate: string;
  readonly secrets: Readonly<Record<string, string>>;
}

const joined = (control: Channel, fs: Channel): Connection => ({
  control,
  fs,
  [Symbol.dispose]() {
    control.destroy();
    fs.destroy();
  },
});

/** The other server connects to an operation of this one. @throws LxdError bad-request when it does not within 30 s */
export const awaitPeer = async (sockets: OperationSockets, signal: AbortSignal): Promise<Connection> => {
  const [control, fs] = await sockets.held(channelNames, signal);
  if (!control || !fs) throw new Error('A migration has two channels');
  return joined(openChannel(control), openChannel(fs));
};

/** @throws LxdError bad-request naming the field */
export const checkPeer = (peer: Peer, field: string): URL => {
  const url = URL.canParse(peer.operation) ? new URL(peer.operation) : undefined;
  if (url?.protocol !== 'https:' || !/^\/1\.0\/operations\/[^/]+$/.test(url.pathname))
    throw badRequest(`Field "${field}.operation" is "${peer.operation}": give the https:// URL of an operation`);
  for (const name of channelNames) {
    if (!peer.secrets[name]) throw badRequest(`Field "${field}.secrets" has no secret "${name}"`);
  }
  return url;
};

/** Connects to an operation of the other server. @throws LxdError bad-request when that fails */
export const reachPeer = async (peer: Peer, field: string, signal: AbortSignal): Promise<Connection> => {
  const url = checkPeer(peer, field);
  const opened: Channel[] = [];
  try {
    for (const name of channelNames) {
      signal.throwIfAborted();
      const query = new URLSearchParams(url.search);
      query.set('secret', peer.secrets[name] ?? '');
      await openWebSocket(
        { kind: 'https', url: url.origin, ...(peer.certificate ? { pinnedCertificate: peer.certificate } : {}) },
        `${url.pathname}/websocket?${query}`,
        (socket) => opened.push(openChannel(socket)),
      );
    }
  } catch (error) {
    for (const channel of opened) channel.destroy();
    signal.throwIfAborted();
    throw badRequest(`Cannot reach the other server at ${url.origin}: ${messageOf(error)}`, { cause: error });
  }
  const [control, fs] = opened;
  if (!control || !fs) throw new Error('A migration has two channels');
  return joined(control, fs);
};

import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { peerCredentials } from '@lxd-ts/host';
import { fingerprintOf } from '../certificates/pem.ts';
import type { Trust } from '../certificates/trust.ts';
import type { Identity } from './identity.ts';

/** The certificate a caller presented, PEM. */
export const presentedCertificate = ({ socket }: IncomingMessage): string | undefined => {
  if (!(socket instanceof TLSSocket)) return undefined;
  return socket.getPeerX509Certificate()?.toString();
};

/** The name of a local user; its number when it has none. */
const userName = (uid: number): string => {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? String(uid);
};

/**
 * Finds out who sends the requests of a connection: by the kernel's word on a Unix socket, by client certificate on TLS.
 * What cannot change during a connection is found out once.
 */
export const createIdentify = (trust: Trust): ((incoming: IncomingMessage) => Identity) => {
  const local = new WeakMap<Socket, Identity>();
  const fingerprints = new WeakMap<Socket, string | null>();

  const onTls = (socket: TLSSocket): Identity => {
    let fingerprint = fingerprints.get(socket);
    if (fingerprint === undefined) {
      const raw = socket.getPeerX509Certificate()?.raw;
      fingerprint = raw ? fingerprintOf(raw) : null;
      fingerprints.set(socket, fingerprint);
    }
    const address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`;
    const certificate = fingerprint === null ? undefined : trust.find(fingerprint);
    if (!certificate || certificate.type === 'server') return { method: 'untrusted', name: '', address };
    return {
      method: 'tls',
      name: certificate.fingerprint,
      address,
      ...(certificate.restricted ? { projects: certificate.projects } : {}),
      ...(certificate.type === 'metrics' ? { metricsOnly: true } : {}),
    };
  };

  return ({ socket }) => {
    if (socket instanceof TLSSocket) return onTls(socket);
    const known = local.get(socket);
    if (known) return known;
    const peer = peerCredentials(socket);
    const identity: Identity = { method: 'unix', name: userName(peer?.uid ?? 0), address: '@' };
    local.set(socket, identity);
    return identity;
  };
};

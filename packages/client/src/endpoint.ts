import { join } from 'node:path';

/** A server on a Unix socket of this machine. */
export interface UnixEndpoint {
  kind: 'unix';
  socketPath: string;
}

/** A server on the network. All certificates and keys are PEM texts. */
export interface HttpsEndpoint {
  kind: 'https';
  /** Scheme, host and port, e.g. `https://10.0.0.1:8443`. */
  url: string;
  /** What the client presents. */
  clientCertificate?: string;
  clientKey?: string;
  /** A CA that server certificates must be signed by (PKI mode). */
  ca?: string;
  /** The one server certificate that is accepted, whatever name or signer it has. Without it the system's CAs decide. */
  pinnedCertificate?: string;
  /** Sent as `Authorization: Bearer`, for servers with OpenID Connect. */
  accessToken?: string;
}

export type Endpoint = UnixEndpoint | HttpsEndpoint;

/**
 * The socket of the daemon on this machine: `LXD_SOCKET`, else `unix.socket` in `LXD_DIR`, else in the first of the
 * usual data directories (spec 09 §10).
 *
 * @param exists - tells whether a path is there
 */
export const localSocketPath = (env: NodeJS.ProcessEnv, exists: (path: string) => boolean): string => {
  if (env.LXD_SOCKET) return env.LXD_SOCKET;
  if (env.LXD_DIR) return join(env.LXD_DIR, 'unix.socket');
  const snap = '/var/snap/lxd/common/lxd';
  return join(exists(snap) ? snap : '/var/lib/lxd', 'unix.socket');
};

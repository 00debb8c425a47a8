/** How a request reached us and who sent it. */
export interface Identity {
  /** `unix`: the local socket, always fully trusted. `tls`: a client certificate. `untrusted`: nobody we know. `devlxd`: a guest. */
  readonly method: 'unix' | 'tls' | 'untrusted';
  /** For audit events: the local user's name, or the certificate's fingerprint. */
  readonly name: string;
  /** The peer's address; `@` for the Unix socket. */
  readonly address: string;
  /** The projects a restricted certificate may use; unset: all of them and the server itself. */
  readonly projects?: readonly string[];
  /** May only read metrics. */
  readonly metricsOnly?: boolean;
}

/** Whether the caller may use the API at all. */
export const isTrusted = (identity: Identity): boolean => identity.method !== 'untrusted';

/** Whether the caller may change the server itself. */
export const isAdmin = (identity: Identity): boolean =>
  isTrusted(identity) && identity.projects === undefined && identity.metricsOnly !== true;

/** Whether the caller may use what belongs to a project. For routes that are open to everybody and show trusted ones more. */
export const isTrustedIn = (identity: Identity, project: string): boolean =>
  isTrusted(identity) &&
  identity.metricsOnly !== true &&
  (identity.projects === undefined || identity.projects.includes(project));

import type { Pair } from './endpoint.ts';

/** Ids on the host. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** What a forwarder is to do, as the daemon writes it into a file for it. */
export interface Job {
  readonly pairs: readonly Pair[];
  /** The side that listens; the other one is connected to. */
  readonly bind: 'host' | 'instance';
  /** The instance's init, on the host. */
  readonly initPid: number;
  /** The host's ids of the instance's root: who makes sockets in its file system. */
  readonly instanceRoot: Ids;
  /** Owner and permissions of listening Unix sockets. */
  readonly socket: Ids & { readonly mode: number };
  /** Whom targets see: ids under which connections are made. */
  readonly drop: Ids;
  /** Tell the target the client's address in a PROXY header. */
  readonly proxyProtocol: boolean;
  /** Where it writes its process id and start time. */
  readonly pidFile: string;
}

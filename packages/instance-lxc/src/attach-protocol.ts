/** Messages between the driver and its attach server, over Node's channel to a child process. */
import type { IdMap } from '@lxd-ts/host';
import type { HotMount } from './hot-mount.ts';
import type { MountPolicy } from './interception/rules.ts';

/** Starts a command. Descriptor numbers are those of the driver's process. Answered by `started`, then `exited`. */
export interface AttachRequest {
  readonly type: 'attach';
  readonly lxcPath: string;
  readonly name: string;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly environment: readonly string[];
  readonly command: readonly string[];
  /** Standard input, output and error. */
  readonly streams: readonly [number, number, number];
  /** Whether the streams are one terminal, which the command is to have for its own. */
  readonly terminal: boolean;
  /** Path of the program inside, found beforehand. With it the command is started by the launcher. */
  readonly program?: string;
  /** See AttachOptions of liblxc.ts. */
  readonly configFile?: string;
}

/** Sends a signal to the command of an earlier request; one that has ended is no error. Not answered. */
export interface SignalRequest {
  readonly type: 'signal';
  readonly command: number;
  readonly signal: number;
}

/** Makes a mount in a running container. Answered by `done`. */
export interface MountRequest {
  readonly type: 'mount';
  readonly mount: HotMount;
}

/** Answered by `done`. */
export interface UnmountRequest {
  readonly type: 'unmount';
  readonly initPid: number;
  readonly target: string;
}

/** Runs a program of the host to its end. Answered by `done`. */
export interface RunRequest {
  readonly type: 'run';
  readonly argv: readonly [string, ...string[]];
}

/** Serves the system calls that a container's monitor reports, or changes how. Answered by `done`. */
export interface InterceptRequest {
  readonly type: 'intercept';
  /** Path of the socket to listen at. */
  readonly socket: string;
  readonly idmap: IdMap;
  /** The container's cgroup. */
  readonly cgroup: string;
  readonly mounts: MountPolicy;
}

/** Ends that. Answered by `done`. */
export interface ForgetRequest {
  readonly type: 'forget';
  readonly socket: string;
}

/** Requests that are answered by `done`. */
export type PlainRequest = RunRequest | MountRequest | UnmountRequest | InterceptRequest | ForgetRequest;

export type ServerRequest = PlainRequest | AttachRequest | SignalRequest;

/** What kind of containers a server is for. */
export interface ServerKind {
  /** Nothing it starts may use the 32-bit interfaces of the kernel. */
  readonly nativeOnly: boolean;
  /** It serves system calls, and commands are held at a gate until they are known to be reported. */
  readonly intercepting: boolean;
}

/** Every request has a number of its own, which its answers repeat. */
export type Numbered<T> = T & { readonly id: number };

export type ServerReply =
  | { readonly type: 'started'; readonly pid: number }
  /** The status as a shell gives it. */
  | { readonly type: 'exited'; readonly status: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly message: string };

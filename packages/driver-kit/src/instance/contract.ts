/**
 * The contract of an instance driver: what makes containers (liblxc) or machines (QEMU) run.
 *
 * The driver knows nothing of images, profiles, snapshots or the database. It is given a *machine*: the expanded configuration,
 * the root file system already mounted, and the attachments of all devices. It starts it, finds it again after a
 * daemon restart, runs commands in it, changes it while it runs, and tells when it stops.
 *
 * Order of calls: `find` for every instance at daemon start (it may run on from before); `start` → a `RunningInstance`;
 * everything else on that; `stopped` resolves once, whatever the reason, after which the object is dead. Instances keep running
 * when the daemon dies: no pipe, terminal or child relationship may tie them to it.
 *
 * Failure: a `start` that throws has left no process, mount, cgroup or link behind, and its message ends with what the
 * backend's log says. Calls on an instance that stopped meanwhile throw LxdError conflict.
 */
import type { Readable, Writable } from 'node:stream';
import type { IdMap } from '@lxd-ts/host';
import type { Config } from '../config.ts';
import type { Attachment, InstanceType } from '../device/contract.ts';
import type { Work } from '../work.ts';

/** Everything a backend needs to know to run an instance. Plain data. */
export interface Machine {
  readonly name: string;
  readonly project: string;
  /** Unique on this host and usable as a file name and cgroup name: `name`, or `<project>_<name>` outside `default`. */
  readonly handle: string;
  readonly architecture: string;
  /** Expanded configuration. */
  readonly config: Config;
  /** Where the instance's volume is mounted. Containers: the root file system is `<path>/rootfs`. */
  readonly path: string;
  /** `<LXD_DIR>/logs/<handle>`: `lxc.log`, `lxc.conf`, `console.log` live here. Made by the caller. */
  readonly logs: string;
  /** `<LXD_DIR>/devices/<handle>`: sockets, device nodes, mount staging. Made by the caller. */
  readonly devices: string;
  /** `<LXD_DIR>/devlxd`: the directory that holds the guest API's socket; unset when `security.devlxd` is false. */
  readonly devlxd?: string;
  /** Ids inside to ids on the host. Unset: privileged. */
  readonly idmap?: IdMap;
  /** The ids found in the root file system on disk; differs from `idmap` when an idmapped mount translates. Unset: unshifted. */
  readonly diskIdmap?: IdMap;
}

export type RunStatus = 'running' | 'frozen' | 'stopping' | 'error';

/** Why an instance stopped: its init ended by itself or by `stop` (`stop`), or it asked for a reboot (`reboot`). */
export type StopReason = 'stop' | 'reboot';

export interface ExecRequest {
  readonly command: readonly [string, ...string[]];
  /** Complete environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Ids inside the instance. */
  readonly uid: number;
  readonly gid: number;
  /** A terminal of this size; unset: three separate streams. */
  readonly terminal?: { readonly width: number; readonly height: number };
}

export interface ExecSession {
  /** With a terminal: both directions are `stdin` and `stdout`, and `stderr` is unset. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  /** Pid on the host of the command's process (or the attaching process). */
  readonly pid: number;
  /** Sends a signal by number to the command. */
  signal(number: number): void;
  resize(width: number, height: number): void;
  /** Exit status as a shell would give it: 128 + n when killed by signal n; 126/127 not executable/not found. */
  readonly exit: Promise<number>;
}

export interface ConsoleSession extends AsyncDisposable {
  readonly input: Writable;
  readonly output: Readable;
  resize(width: number, height: number): void;
  readonly closed: Promise<void>;
}

/** Resource use of a running instance, from cgroups and /proc. Undefined: this host cannot tell. */
export interface InstanceUsage {
  /** Nanoseconds of CPU time. */
  readonly cpu?: number;
  readonly memory: {
    readonly usage: number;
    readonly usagePeak: number;
    readonly total: number;
    readonly swapUsage: number;
    readonly swapUsagePeak: number;
  };
  /** Number of processes, or -1. */
  readonly processes: number;
  /** By interface name inside the instance. */
  readonly network: Readonly<Record<string, InterfaceUsage>>;
  readonly pid: number;
}

export interface InterfaceUsage {
  readonly addresses: readonly {
    readonly family: 'inet' | 'inet6';
    readonly address: string;
    readonly netmask: string;
    readonly scope: 'global' | 'link' | 'local';
  }[];
  readonly counters: {
    readonly bytesReceived: number;
    readonly bytesSent: number;
    readonly packetsReceived: number;
    readonly packetsSent: number;
    readonly errorsReceived: number;
    readonly errorsSent: number;
    readonly packetsDroppedInbound: number;
    readonly packetsDroppedOutbound: number;
  };
  readonly hwaddr: string;
  /** The other end of a veth pair, as named on the host. */
  readonly hostName: string;
  readonly mtu: number;
  readonly state: 'up' | 'down';
  readonly type: 'broadcast' | 'loopback' | 'point-to-point' | 'unknown';
}

export interface InstanceDriver {
  readonly kind: 'instance';
  /** `lxc`, `qemu`. */
  readonly name: string;
  readonly type: InstanceType;

  /**
   * Whether the backend works on this host, tried rather than guessed.
   *
   * @returns its version and the features to report as `lxc_features`
   * @throws LxdError not-implemented that says what is missing
   */
  probe(): Promise<{ readonly version: string; readonly features: Readonly<Record<string, boolean>> }>;

  /** Checks a configuration for what only the backend can tell (`raw.lxc` syntax). @throws LxdError bad-request */
  validate(config: Config): void;

  /** Starts the machine and returns when its init runs. */
  start(machine: Machine, attachments: readonly Attachment[], work?: Work): Promise<RunningInstance>;

  /** The running instance of that machine, if it runs: after a daemon restart. Never starts or changes anything. */
  find(machine: Machine): Promise<RunningInstance | undefined>;

  /** Clears what a crash of daemon or backend left of a machine that does not run: processes, cgroups, mounts, files. */
  cleanup(machine: Machine): Promise<void>;
}

export interface RunningInstance {
  /** Host pid of the instance's init (containers) or of the machine's process. */
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Resolves when the instance is gone and its resources are free. Never rejects. No polling. */
  readonly stopped: Promise<StopReason>;

  status(): Promise<RunStatus>;
  /** Asks init to shut down. Resolves when asked, not when stopped. */
  shutdown(): Promise<void>;
  /** Asks init to reboot. */
  reboot(): Promise<void>;
  /** Kills it. Resolves when it is gone. */
  kill(): Promise<void>;
  freeze(): Promise<void>;
  unfreeze(): Promise<void>;

  exec(request: ExecRequest, work?: Work): Promise<ExecSession>;
  console(size: { readonly width: number; readonly height: number }): Promise<ConsoleSession>;

  /** Adds a device while it runs. */
  attach(attachment: Attachment): Promise<void>;
  /** Removes one; NIC links return to the host under `link`. */
  detach(attachment: Attachment): Promise<void>;
  /** Applies changed live keys: limits and the like. @throws LxdError bad-request for a key that cannot change now */
  update(config: Config, changed: readonly string[]): Promise<void>;

  /** Starts no process. */
  usage(): Promise<InstanceUsage>;
}

/** Declares an instance driver; only checks the types. */
export const defineInstanceDriver = (driver: Omit<InstanceDriver, 'kind'>): InstanceDriver => ({
  kind: 'instance',
  ...driver,
});

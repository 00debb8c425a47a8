/**
 * The contract of a network driver.
 *
 * A driver opens *networks*; an open network can be created, started, changed, stopped and deleted. Drivers that only preset
 * an existing interface (macvlan, sriov, physical) implement the same calls, most of them doing little.
 *
 * Order of calls: `fill` (creation only) → `validate` → `open` → `create` once → `start` at each daemon start →
 * `update`, `rename`, `setReservations` … → `stop` → `delete`. `start` is harmless on a running network and repairs what is
 * missing (an interface, a rule set, the DHCP server), so a daemon calls it for every network when it starts.
 * `stop` takes the interface and the services away; the daemon does not stop networks when it exits: instances run on.
 *
 * Failure: a call that throws has undone its own steps. `stop` and `delete` succeed on what is not there.
 * The caller never runs two changing calls about one network at once.
 */
import type { Config, ConfigKey } from '../config.ts';
import type { Work } from '../work.ts';

export interface NetworkFeatures {
  /** The server makes the interface and manages addresses (bridge, ovn); otherwise it presets an existing one. */
  readonly managed: boolean;
  /** Networks can belong to projects. */
  readonly projects: boolean;
  readonly acls: boolean;
  readonly forwards: boolean;
  readonly loadBalancers: boolean;
  readonly peers: boolean;
  readonly zones: boolean;
  /** Keys that may differ between cluster members. */
  readonly memberConfig: readonly string[];
}

/** What a driver is told about a network. */
export interface NetworkSpec {
  readonly name: string;
  readonly project: string;
  readonly config: Config;
  /** A directory of the network's own for leases, hosts and process files: `<LXD_DIR>/networks/<name>`. The driver makes it. */
  readonly directory: string;
  /** Log directory of the daemon: `<LXD_DIR>/logs`. */
  readonly logs: string;
}

/** What a driver may ask of its surroundings. */
export interface NetworkEnvironment {
  /** CIDR subnets in use by other networks and instances of this daemon, which `auto` must avoid. */
  usedSubnets(): Promise<readonly string[]>;
}

/** A static assignment that DHCP and DNS serve. */
export interface Reservation {
  /** Instance name, served as host name. */
  readonly instance: string;
  readonly project: string;
  /** The NIC's device name. */
  readonly device: string;
  readonly hwaddr: string;
  /** Fixed addresses; unset: any free one of the range. */
  readonly ipv4?: string;
  readonly ipv6?: string;
}

export interface Lease {
  readonly hostname: string;
  readonly hwaddr: string;
  readonly address: string;
  /** `gateway` and `uplink` describe the network itself. */
  readonly type: 'static' | 'dynamic' | 'gateway' | 'uplink';
}

/** Live state of a network's interface. Counters since the interface was made. */
export interface NetworkState {
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
  };
  readonly hwaddr: string;
  readonly mtu: number;
  readonly state: 'up' | 'down';
  readonly type: 'broadcast' | 'loopback' | 'point-to-point' | 'unknown';
  readonly bridge?: {
    readonly id: string;
    readonly stp: boolean;
    /** Hundredths of seconds, as the kernel tells. */
    readonly forwardDelay: number;
    readonly vlanDefault: number;
    readonly vlanFiltering: boolean;
    readonly upperDevices: readonly string[];
  };
}

/** What a NIC that names the network inherits; it may not set these itself. */
export interface NicPreset {
  readonly nictype: string;
  readonly parent?: string;
  readonly mtu?: string;
  readonly vlan?: string;
}

export interface NetworkDriver {
  readonly kind: 'network';
  /** The word users type: `bridge`. */
  readonly name: string;
  readonly features: NetworkFeatures;
  readonly config: readonly ConfigKey[];

  /** Whether the driver works here. @throws LxdError not-implemented that says what is missing */
  probe(): Promise<void>;

  /**
   * Completes the configuration of a network about to be created: `auto` addresses become subnets that are free, keys
   * that are written at creation get their value. Called again by an update that sets a key to `auto`; of the
   * result such an update takes over only the keys it set so.
   */
  fill(name: string, config: Config, environment: NetworkEnvironment): Promise<Config>;

  /** Checks what single keys cannot tell: an address outside its subnet, keys that exclude each other. @throws LxdError bad-request */
  validate(name: string, config: Config): void;

  open(spec: NetworkSpec): Network;
}

export interface Network {
  readonly name: string;

  /** First creation. Nothing of that name may exist on the host. Does not start it. @throws LxdError conflict */
  create(work?: Work): Promise<void>;
  /** Brings the network to its configured state, whatever state it finds. */
  start(work?: Work): Promise<void>;
  /** Removes interface, rules and services; keeps leases and the directory. */
  stop(work?: Work): Promise<void>;
  /** Removes all that is left, the directory included. The caller has stopped it. */
  delete(work?: Work): Promise<void>;
  /**
   * Renames a network that no instance uses, its directory included. One that was running runs under the new name. The caller
   * opens it anew afterwards.
   *
   * @throws LxdError conflict when the name is taken on the host
   */
  rename(name: string, work?: Work): Promise<void>;
  /** Applies `config` to the running network with as little interruption as possible. On failure the old one is in force. */
  update(config: Config, changed: readonly string[], work?: Work): Promise<void>;

  /**
   * Replaces the set of static assignments; takes effect at once without dropping leases. They outlive a restart.
   *
   * @throws LxdError conflict when two NICs are to have one address; the set before stays in force
   */
  setReservations(reservations: readonly Reservation[]): Promise<void>;
  /** Active leases as the DHCP server knows them, static ones from the reservations included. Reads files only. */
  leases(): Promise<readonly Lease[]>;
  /** Forgets the leases of a NIC that is gone. */
  forgetLeases(hwaddr: string): Promise<void>;
  /** Starts no process. */
  state(): Promise<NetworkState>;
  /** What a NIC on this network inherits. */
  nicPreset(): NicPreset;
}

/** Declares a network driver; only checks the types. */
export const defineNetworkDriver = (driver: Omit<NetworkDriver, 'kind'>): NetworkDriver => ({
  kind: 'network',
  ...driver,
});

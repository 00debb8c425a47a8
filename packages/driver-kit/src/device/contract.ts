/**
 * The contract of a device driver: what a device type (`disk`, `proxy`) or a NIC type (`nic` with `nictype` `bridged`) does
 * on the host, and what it asks of the instance's backend.
 *
 * A driver does the host's side (a veth pair on a bridge, an idmapped mount, a forwarder) and returns *attachments*: plain data
 * that any instance backend knows how to put into a container or a machine. It never talks to a backend itself.
 *
 * Order of calls: `validate` when the configuration is written; `start` before the instance starts, or when the device is
 * added to a running one (if `hotplug`); `recover` when a new daemon finds the instance running; `update` for a running device whose changed keys are all `live`; `stop` after
 * the instance has stopped or the device was detached. `stop` also clears what a crash left, so it succeeds on what is not there.
 */
import type { IdMap } from '@lxd-ts/host';
import type { Config, ConfigKey } from '../config.ts';
import type { Lease, NicPreset, Reservation } from '../network/contract.ts';
import type { MountedVolume } from '../storage/contract.ts';

export type InstanceType = 'container' | 'virtual-machine';

/** A device of an instance: name and configuration (`type` included), profiles merged. */
export interface Device {
  readonly name: string;
  readonly config: Config;
}

/** What the instance's backend must do for a device. */
export type Attachment = NicAttachment | MountAttachment | NodeAttachment | DiskAttachment;

/** Move a host link into the instance. */
export interface NicAttachment {
  readonly kind: 'nic';
  /** The device's name. */
  readonly device: string;
  /** The host link to move: the peer of a veth pair, a macvlan, a physical interface. */
  readonly link: string;
  /** Its name inside; `ethN` chosen by the caller when the device has none. */
  readonly name: string;
  readonly hwaddr?: string;
  readonly mtu?: number;
}

/** Mount a host path inside. */
export interface MountAttachment {
  readonly kind: 'mount';
  readonly device: string;
  /** A path on the host: a directory, a file or, with `fileSystem`, a block device. */
  readonly source: string;
  /** Path inside the instance, absolute. `/` is the root file system and is handled by the backend's own rootfs. */
  readonly target: string;
  /** Unset: a bind mount. */
  readonly fileSystem?: string;
  readonly readonly: boolean;
  readonly recursive: boolean;
  readonly propagation:
    | 'private'
    | 'shared'
    | 'slave'
    | 'unbindable'
    | 'rprivate'
    | 'rshared'
    | 'rslave'
    | 'runbindable';
  /** Extra options for the file system, comma-separated. */
  readonly options?: string;
  /** Show the files with the ids of the instance (idmapped mount). */
  readonly shift: boolean;
}

/** Make a device node inside and permit its use. */
export interface NodeAttachment {
  readonly kind: 'node';
  readonly device: string;
  readonly type: 'char' | 'block';
  readonly major: number;
  readonly minor: number;
  /** Path inside the instance, absolute. */
  readonly target: string;
  readonly mode: number;
  /** Ids inside the instance. */
  readonly uid: number;
  readonly gid: number;
}

/** Give a virtual machine a disk. */
export interface DiskAttachment {
  readonly kind: 'disk';
  readonly device: string;
  /** A block device or an image file on the host. */
  readonly source: string;
  readonly readonly: boolean;
  readonly bootPriority?: number;
}

/** What the driver is told about the instance, and what it may ask. */
export interface DeviceContext {
  readonly instance: {
    readonly name: string;
    readonly project: string;
    readonly type: InstanceType;
    /** Expanded configuration. */
    readonly config: Config;
    /** All its devices by name, profiles merged: a proxy looks for the NIC whose address it forwards to. */
    readonly devices: Readonly<Record<string, Config>>;
    /** Unset: privileged. */
    readonly idmap?: IdMap;
    /** Process id of the instance's init while it runs. */
    readonly pid?: number;
  };
  /** A directory for this instance's device files, on the host: `<LXD_DIR>/devices/<instance>`. */
  readonly directory: string;
  /** The instance's log directory, on the host. */
  readonly logs: string;
  /** Values kept from earlier starts: the `volatile.<device>.*` keys, without that prefix. */
  readonly volatile: Config;
  /** Server settings that matter: `instances.nic.host_name` … */
  readonly server: Config;
  /** The network a NIC names. @throws LxdError not-found */
  network(name: string): {
    readonly config: Config;
    readonly preset: NicPreset;
    readonly type: string;
    /** As of `Network.leases`; reservations are among them. */
    leases(): Promise<readonly Lease[]>;
  };
  /**
   * Tells a network's DHCP and DNS about the NIC. Drivers reserve at each start and leave it in force when the device stops, so
   * that a stopped instance keeps its name and address.
   *
   * @param choose - says what to reserve. No other NIC of the network is reserved for meanwhile: an address that is not among the
   *   network's leases then is free
   * @throws LxdError not-found, conflict when another NIC has the address; what `choose` throws. Nothing has changed then
   */
  reserve(network: string, choose: () => Promise<Reservation>): Promise<void>;
  /** Mounts a custom volume for a disk device; the context disposes it when the device stops. @throws LxdError not-found */
  volume(pool: string, name: string): Promise<MountedVolume & { readonly shifted: boolean }>;
  /**
   * Brings what the device has attached to the running instance in line with what `wanted` tells: host devices that come and go.
   * For calls after `start`. `wanted` is asked when nothing else changes the instance; undefined: nothing is to be done any more.
   */
  hotplug(wanted: () => Promise<readonly Attachment[] | undefined>): Promise<void>;
  /** Warns the operator: the start goes on. */
  warn(message: string): void;
}

/** What `start` did. */
export interface StartedDevice {
  readonly attachments: readonly Attachment[];
  /** Values to keep as `volatile.<device>.<key>`; an empty value removes the key. */
  readonly volatile?: Config;
  /** Called when the instance runs: forwarders that need its namespaces, routes to its addresses. */
  readonly afterStart?: (pid: number) => Promise<void>;
}

export interface DeviceDriver {
  readonly kind: 'device';
  /** `disk`, `proxy`, `unix-char` …; NICs: `nic`. */
  readonly type: string;
  /** NICs: `bridged`, `p2p` …; GPUs: `physical` … */
  readonly variant?: string;
  readonly instanceTypes: readonly InstanceType[];
  /** Instance types to which it can be added while they run. */
  readonly hotplug: readonly InstanceType[];
  readonly config: readonly ConfigKey[];

  /** Checks what single keys cannot tell. @throws LxdError bad-request */
  validate(device: Device, instanceType: InstanceType | undefined): void;
  start(device: Device, context: DeviceContext): Promise<StartedDevice>;
  /**
   * A new daemon has found the instance running, or (without a pid) ended while none was there to see it: takes up again what
   * the driver kept in memory. In the second case `stop` follows. Without it nothing needs to be taken up.
   */
  recover?(device: Device, context: DeviceContext): Promise<void>;
  /** Applies changed live keys to a running device. */
  update?(device: Device, before: Config, context: DeviceContext): Promise<void>;
  stop(device: Device, context: DeviceContext): Promise<{ readonly volatile?: Config } | undefined>;
}

/** Declares a device driver; only checks the types. */
export const defineDeviceDriver = (driver: Omit<DeviceDriver, 'kind'>): DeviceDriver => ({ kind: 'device', ...driver });

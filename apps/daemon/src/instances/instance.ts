import type { Config, Device, InstanceType } from '@lxd-ts/driver-kit';

/** Device configurations by device name. */
export type Devices = Readonly<Record<string, Config>>;

/** An instance as it is stored. Plain data; everything live is elsewhere. */
export interface Instance {
  readonly id: number;
  readonly name: string;
  readonly project: string;
  readonly type: InstanceType;
  readonly architecture: string;
  readonly description: string;
  readonly ephemeral: boolean;
  readonly stateful: boolean;
  /** Own configuration, without the profiles'. */
  readonly config: Config;
  readonly devices: Devices;
  /** Profile names in order of application. */
  readonly profiles: readonly string[];
  readonly createdAt: Date;
  readonly lastUsedAt: Date | undefined;
  /** `pending` until its creation is complete. */
  readonly state: 'pending' | 'ready';
  /** What the profiles and the instance come to, later ones winning. */
  readonly expanded: { readonly config: Config; readonly devices: Devices };
}

/** What profiles contribute. */
export interface ProfilePart {
  readonly config: Config;
  readonly devices: Devices;
}

/**
 * Merges profiles and own settings (spec 03.9, 03.207): the last to set a configuration key wins, and a device replaces an
 * earlier one of the same name as a whole.
 */
export const expand = (profiles: readonly ProfilePart[], own: ProfilePart): ProfilePart => ({
  config: Object.assign({}, ...profiles.map((profile) => profile.config), own.config),
  devices: Object.assign({}, ...profiles.map((profile) => profile.devices), own.devices),
});

export const isRootDisk = (config: Config | undefined): boolean =>
  config?.['type'] === 'disk' && config['path'] === '/';

/** The root disk among expanded devices: `path: /` and a pool. */
export const rootDisk = (devices: Devices): Device | undefined => {
  const entry = Object.entries(devices).find(([, config]) => isRootDisk(config) && config['pool']);
  return entry && { name: entry[0], config: entry[1] };
};

/** Unique on this host, for file and cgroup names: `name`, or `<project>_<name>` outside the default project. */
export const handleOf = (instance: Pick<Instance, 'name' | 'project'>): string =>
  instance.project === 'default' ? instance.name : `${instance.project}_${instance.name}`;

/** The key of an instance's lock, and its name in messages. */
export const lockKey = (instance: Pick<Instance, 'name' | 'project'>): string => `instance "${handleOf(instance)}"`;

import { zeroTime } from '@lxd-ts/api';
import { expand, type Instance, type ProfilePart } from './instance.ts';
import type { InstanceSnapshot } from './snapshots-store.ts';

/** A snapshot as it was then: the instance with the configuration and devices of that moment. */
export const instanceAt = (
  instance: Instance,
  { config, devices, stateful, createdAt }: InstanceSnapshot,
  profiles: readonly ProfilePart[],
): Instance => ({ ...instance, config, devices, stateful, createdAt, expanded: expand(profiles, { config, devices }) });

/**
 * A snapshot on the wire.
 *
 * @param profiles - the instance's, in order
 * @param size - bytes, −1 where the storage cannot tell
 */
export const renderSnapshot = (
  instance: Instance,
  snapshot: InstanceSnapshot,
  profiles: readonly ProfilePart[],
  size: number,
) => {
  const { expanded } = instanceAt(instance, snapshot, profiles);
  return {
    expires_at: snapshot.expiresAt?.toISOString() ?? zeroTime,
    architecture: instance.architecture,
    config: snapshot.config,
    created_at: snapshot.createdAt.toISOString(),
    devices: snapshot.devices,
    ephemeral: instance.ephemeral,
    expanded_config: expanded.config,
    expanded_devices: expanded.devices,
    last_used_at: zeroTime,
    name: snapshot.name,
    profiles: instance.profiles,
    stateful: snapshot.stateful,
    size,
  };
};

/** The editable part of a snapshot, of which the ETag is made. */
export const editableSnapshot = ({ expiresAt }: InstanceSnapshot) => ({
  expires_at: expiresAt?.toISOString() ?? zeroTime,
});

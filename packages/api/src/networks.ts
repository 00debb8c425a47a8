import * as z from 'zod';
import { count, flag, integer, nullable, struct, text, textMap, texts } from './schema.ts';

export * from './network-acls.ts';
export * from './network-forwards.ts';
export * from './network-peers.ts';
export * from './network-zones.ts';

export const networkPut = struct({ config: textMap, description: text });
export type NetworkPut = z.infer<typeof networkPut>;

/** An empty `type` stands for `bridge`. */
export const networksPost = struct({ ...networkPut.shape, name: text, type: text });
export type NetworksPost = z.infer<typeof networksPost>;

/** A rename. */
export const networkPost = struct({ name: text });
export type NetworkPost = z.infer<typeof networkPost>;

/** `used_by` and `locations` may be `null`, as for a host interface that is not managed. */
export const network = struct({
  ...networkPut.shape,
  name: text,
  type: text,
  used_by: nullable(texts),
  managed: flag,
  status: text,
  locations: nullable(texts),
});
export type Network = z.infer<typeof network>;

export const networkLease = struct({ hostname: text, hwaddr: text, address: text, type: text, location: text });
export type NetworkLease = z.infer<typeof networkLease>;

export const networkStateAddress = struct({ family: text, address: text, netmask: text, scope: text });
export type NetworkStateAddress = z.infer<typeof networkStateAddress>;

export const networkStateCounters = struct({
  bytes_received: integer,
  bytes_sent: integer,
  packets_received: integer,
  packets_sent: integer,
});
export type NetworkStateCounters = z.infer<typeof networkStateCounters>;

/** Delays and the MII frequency are in milliseconds. */
export const networkStateBond = struct({
  mode: text,
  transmit_policy: text,
  up_delay: count,
  down_delay: count,
  mii_frequency: count,
  mii_state: text,
  lower_devices: texts,
});
export type NetworkStateBond = z.infer<typeof networkStateBond>;

/** `forward_delay` is in hundredths of a second, as the kernel keeps it. */
export const networkStateBridge = struct({
  id: text,
  stp: flag,
  forward_delay: count,
  vlan_default: count,
  vlan_filtering: flag,
  upper_devices: texts,
});
export type NetworkStateBridge = z.infer<typeof networkStateBridge>;

export const networkStateVLAN = struct({ lower_device: text, vid: count });
export type NetworkStateVLAN = z.infer<typeof networkStateVLAN>;

export const networkStateOVN = struct({ chassis: text });
export type NetworkStateOVN = z.infer<typeof networkStateOVN>;

export const networkState = struct({
  addresses: z.array(networkStateAddress),
  counters: networkStateCounters,
  hwaddr: text,
  mtu: integer,
  state: text,
  type: text,
  bond: nullable(networkStateBond),
  bridge: nullable(networkStateBridge),
  vlan: nullable(networkStateVLAN),
  ovn: nullable(networkStateOVN),
});
export type NetworkState = z.infer<typeof networkState>;

import * as z from 'zod';
import { choice, flag, integer, nullable, struct, text } from './schema.ts';

export const instanceActions = ['start', 'stop', 'restart', 'freeze', 'unfreeze'] as const;
export type InstanceAction = (typeof instanceActions)[number];

/** Body of `PUT …/state`. `timeout` is in seconds; -1 waits without end, 0 (absent) for the server's default. */
export const instanceStatePut = struct({
  action: choice(...instanceActions),
  timeout: integer,
  force: flag,
  stateful: flag,
});
export type InstanceStatePut = z.infer<typeof instanceStatePut>;

/** Nanoseconds of CPU time; -1 where the host cannot tell. */
export const instanceStateCPU = struct({ usage: integer });
export type InstanceStateCPU = z.infer<typeof instanceStateCPU>;

/** Bytes used by a disk, and its size: 0 without a quota. */
export const instanceStateDisk = struct({ usage: integer, total: integer });
export type InstanceStateDisk = z.infer<typeof instanceStateDisk>;

/** Bytes. */
export const instanceStateMemory = struct({
  usage: integer,
  usage_peak: integer,
  total: integer,
  swap_usage: integer,
  swap_usage_peak: integer,
});
export type InstanceStateMemory = z.infer<typeof instanceStateMemory>;

export const instanceStateNetworkAddress = struct({ family: text, address: text, netmask: text, scope: text });
export type InstanceStateNetworkAddress = z.infer<typeof instanceStateNetworkAddress>;

export const instanceStateNetworkCounters = struct({
  bytes_received: integer,
  bytes_sent: integer,
  packets_received: integer,
  packets_sent: integer,
  errors_received: integer,
  errors_sent: integer,
  packets_dropped_outbound: integer,
  packets_dropped_inbound: integer,
});
export type InstanceStateNetworkCounters = z.infer<typeof instanceStateNetworkCounters>;

export const instanceStateNetwork = struct({
  addresses: z.array(instanceStateNetworkAddress),
  counters: instanceStateNetworkCounters,
  hwaddr: text,
  host_name: text,
  mtu: integer,
  state: text,
  type: text,
});
export type InstanceStateNetwork = z.infer<typeof instanceStateNetwork>;

/** `GET …/state`. Of a stopped instance `disk` and `network` are `null`, `pid` is 0 or -1, `processes` -1. */
export const instanceState = struct({
  status: text,
  status_code: integer,
  disk: nullable(z.record(z.string(), instanceStateDisk)),
  memory: instanceStateMemory,
  network: nullable(z.record(z.string(), instanceStateNetwork)),
  pid: integer,
  processes: integer,
  cpu: instanceStateCPU,
});
export type InstanceState = z.infer<typeof instanceState>;

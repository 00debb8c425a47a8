import { config, devices, joined, type Struct, strings } from '../yaml/shape.ts';

/** What of an instance can be changed. */
export const instancePut: Struct = {
  fields: {
    architecture: 'string',
    config,
    devices,
    ephemeral: 'bool',
    profiles: strings,
    restore: 'string',
    stateful: 'bool',
    description: 'string',
  },
  omitEmpty: ['restore'],
};

/** An instance as printed with `--expanded`: the changeable fields with what profiles add in their place. */
export const instance: Struct = joined(instancePut, {
  fields: {
    created_at: 'time',
    expanded_config: config,
    expanded_devices: devices,
    name: 'string',
    status: 'string',
    status_code: 'number',
    last_used_at: 'time',
    location: 'string',
    type: 'string',
    project: 'string',
  },
});

export const snapshotPut: Struct = { fields: { expires_at: 'time' } };

export const instanceSnapshot: Struct = joined(snapshotPut, {
  fields: {
    architecture: 'string',
    config,
    created_at: 'time',
    devices,
    ephemeral: 'bool',
    expanded_config: config,
    expanded_devices: devices,
    last_used_at: 'time',
    name: 'string',
    profiles: strings,
    stateful: 'bool',
    size: 'number',
  },
});

const backup: Struct = {
  fields: {
    name: 'string',
    created_at: 'time',
    expires_at: 'time',
    instance_only: 'bool',
    container_only: 'bool',
    optimized_storage: 'bool',
  },
};

const numbers = (...names: string[]): Struct => ({ fields: Object.fromEntries(names.map((name) => [name, 'number'])) });

const network: Struct = {
  fields: {
    addresses: { list: { fields: { family: 'string', address: 'string', netmask: 'string', scope: 'string' } } },
    counters: numbers(
      'bytes_received',
      'bytes_sent',
      'packets_received',
      'packets_sent',
      'errors_received',
      'errors_sent',
      'packets_dropped_outbound',
      'packets_dropped_inbound',
    ),
    hwaddr: 'string',
    host_name: 'string',
    mtu: 'number',
    state: 'string',
    type: 'string',
  },
};

const instanceState: Struct = {
  nullable: true,
  fields: {
    status: 'string',
    status_code: 'number',
    disk: { map: numbers('usage', 'total') },
    memory: numbers('usage', 'usage_peak', 'total', 'swap_usage', 'swap_usage_peak'),
    network: { map: network },
    pid: 'number',
    processes: 'number',
    cpu: numbers('usage'),
  },
};

export const instanceFull: Struct = joined(instance, {
  fields: { backups: { list: backup }, state: instanceState, snapshots: { list: instanceSnapshot } },
});

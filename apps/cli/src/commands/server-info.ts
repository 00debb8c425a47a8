import type { Client } from '@lxd-ts/client';
import { out } from '../output/streams.ts';
import { printYaml } from '../yaml/print.ts';
import { config, isRecord, type Struct, strings } from '../yaml/shape.ts';

const driver: Struct = { fields: { name: 'string', version: 'string', remote: 'bool' } };

const environment: Struct = {
  fields: {
    addresses: strings,
    architectures: strings,
    certificate: 'string',
    certificate_fingerprint: 'string',
    driver: 'string',
    driver_version: 'string',
    firewall: 'string',
    kernel: 'string',
    kernel_architecture: 'string',
    kernel_features: config,
    kernel_version: 'string',
    lxc_features: config,
    os_name: 'string',
    os_version: 'string',
    project: 'string',
    server: 'string',
    server_clustered: 'bool',
    server_event_mode: 'string',
    server_name: 'string',
    server_pid: 'number',
    server_version: 'string',
    storage: 'string',
    storage_version: 'string',
    storage_supported_drivers: { list: driver },
  },
};

const server: Struct = {
  fields: {
    config: { map: 'any' },
    api_extensions: strings,
    api_status: 'string',
    api_version: 'string',
    auth: 'string',
    public: 'bool',
    auth_methods: strings,
    auth_user_name: 'string',
    auth_user_method: 'string',
    environment,
  },
  omitEmpty: ['auth_user_name', 'auth_user_method'],
};

/** The API spells the fields of a driver with capitals, the reference client prints them small. */
const lowerKeys = (value: unknown): unknown =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toLowerCase(), item])) : value;

/** Prints all that a server says of itself as YAML. */
export const showServer = async (client: Client): Promise<void> => {
  const { value } = await client.get<Record<string, unknown>>([]);
  const found = isRecord(value.environment) ? value.environment : {};
  const drivers = found.storage_supported_drivers;
  const storage_supported_drivers = Array.isArray(drivers) ? drivers.map(lowerKeys) : [];
  out(printYaml({ ...value, environment: { ...found, storage_supported_drivers } }, server));
};

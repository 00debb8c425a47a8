import * as z from 'zod';
import { anyMap, flag, integer, struct, text, textMap, texts } from './schema.ts';

/** A storage driver that works on this host. The capital letters are the wire's. */
export const serverStorageDriverInfo = struct({ Name: text, Version: text, Remote: flag });
export type ServerStorageDriverInfo = z.infer<typeof serverStorageDriverInfo>;

/** What the server runs on (spec 09 API-04). */
export const serverEnvironment = struct({
  addresses: texts,
  architectures: texts,
  certificate: text,
  certificate_fingerprint: text,
  driver: text,
  driver_version: text,
  firewall: text,
  kernel: text,
  kernel_architecture: text,
  kernel_features: textMap,
  kernel_version: text,
  lxc_features: textMap,
  os_name: text,
  os_version: text,
  project: text,
  server: text,
  server_clustered: flag,
  server_event_mode: text,
  server_name: text,
  server_pid: integer,
  server_version: text,
  storage: text,
  storage_version: text,
  storage_supported_drivers: z.array(serverStorageDriverInfo),
});
export type ServerEnvironment = z.infer<typeof serverEnvironment>;

/** A value of the server configuration. Secrets are shown as `true` and come back so in a PUT. */
const serverValue = z
  .union([z.string(), z.number(), z.boolean(), z.null()], 'must be a string')
  .transform((value) => (value === null ? '' : String(value)));

/** Body of PUT and PATCH `/1.0`. */
export const serverPut = struct({ config: z.record(z.string(), serverValue) });
export type ServerPut = z.infer<typeof serverPut>;

/** `GET /1.0` for a caller who is not trusted (spec 09 API-03). */
export const serverUntrusted = struct({
  api_extensions: texts,
  api_status: text,
  api_version: text,
  auth: text,
  public: flag,
  auth_methods: texts,
});
export type ServerUntrusted = z.infer<typeof serverUntrusted>;

/** `GET /1.0` for a trusted caller. Secrets in `config` are shown as `true`. */
export const server = struct({
  config: anyMap,
  ...serverUntrusted.shape,
  auth_user_name: text,
  auth_user_method: text,
  environment: serverEnvironment,
});
export type Server = z.infer<typeof server>;

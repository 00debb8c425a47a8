import type { Config } from '@lxd-ts/driver-kit';
import { serverKeys } from '../config/server-keys.ts';
import type { HostFacts } from '../core/host-facts.ts';
import type { Drivers } from '../drivers/registry.ts';
import { type Identity, isAdmin, isTrusted } from '../http/identity.ts';
import type { KeyPair } from './certificate.ts';
import { servedExtensions } from './extensions.ts';
import type { Settings } from './settings.ts';
import { serverVersion } from './version.ts';

interface Parts {
  readonly host: HostFacts;
  readonly drivers: Drivers;
  readonly settings: Settings;
  readonly certificate: KeyPair;
  /** Driver names of the pools in use. */
  readonly poolDrivers: () => Promise<readonly string[]>;
  /** Addresses at which the API listens, `host:port`. */
  readonly addresses: () => readonly string[];
  readonly kernelFeatures: Readonly<Record<string, string>>;
}

export interface ServerInfo {
  /** The reply to `GET /1.0` for a caller. */
  render(identity: Identity, project: string): Promise<Record<string, unknown>>;
  /** The configuration as shown: secrets are `true`. */
  shownConfig(): Record<string, unknown>;
}

const words = (features: Readonly<Record<string, boolean>>): Record<string, string> =>
  Object.fromEntries(Object.entries(features).map(([name, on]) => [name, String(on)]));

export const createServerInfo = (parts: Parts): ServerInfo => {
  const { host, drivers, settings, certificate } = parts;
  const shownConfig = (): Record<string, unknown> => {
    const config: Config = settings.all();
    return Object.fromEntries(
      Object.entries(config).map(([key, value]) => [
        key,
        serverKeys.find((declared) => declared.key === key)?.hidden ? true : value,
      ]),
    );
  };

  return {
    shownConfig,

    async render(identity, project) {
      const open = {
        api_extensions: servedExtensions,
        api_status: 'stable',
        api_version: '1.0',
        auth: isTrusted(identity) ? 'trusted' : 'untrusted',
        public: false,
        auth_methods: ['tls'],
      };
      if (!isTrusted(identity)) return open;
      const inUse = new Set(await parts.poolDrivers());
      const storage = drivers.workingStorage();
      const used = storage.filter(({ driver }) => inUse.has(driver.name));
      const backends = drivers.workingInstances();
      return {
        config: isAdmin(identity) ? shownConfig() : {},
        ...open,
        auth_user_name: identity.name,
        auth_user_method: identity.method,
        environment: {
          addresses: parts.addresses(),
          architectures: host.architectures,
          certificate: certificate.certificate,
          certificate_fingerprint: certificate.fingerprint,
          driver: backends.map(({ driver }) => driver.name).join(' | '),
          driver_version: backends.map(({ version }) => version).join(' | '),
          firewall: 'nftables',
          kernel: 'Linux',
          kernel_architecture: host.architecture,
          kernel_features: parts.kernelFeatures,
          kernel_version: host.kernelVersion,
          lxc_features: words(backends.find(({ driver }) => driver.type === 'container')?.features ?? {}),
          os_name: host.osName,
          os_version: host.osVersion,
          project,
          server: 'lxd',
          server_clustered: false,
          server_event_mode: 'full-mesh',
          server_name: host.hostname,
          server_pid: process.pid,
          server_version: serverVersion,
          storage: used.map(({ driver }) => driver.name).join(' | '),
          storage_version: used.map(({ version }) => version).join(' | '),
          storage_supported_drivers: storage.map(({ driver, version }) => ({
            Name: driver.name,
            Version: version,
            Remote: driver.features.remote,
          })),
        },
      };
    },
  };
};

import { badRequest, type Config, isTrue } from '@lxd-ts/driver-kit';
import { usesVlans } from './vlan.ts';

/** What a NIC inherits from its network and may not set itself (spec 03.220). */
const inherited = ['nictype', 'parent', 'mtu', 'maas.subnet.ipv4', 'maas.subnet.ipv6'];

export const filtersAddresses = (config: Config): boolean =>
  isTrue(config['security.ipv4_filtering']) || isTrue(config['security.ipv6_filtering']);

/** @throws LxdError bad-request */
export const validateBridged = (config: Config): void => {
  if (config.network) {
    const own = inherited.find((key) => config[key]);
    if (own) throw badRequest(`"${own}" cannot be set together with "network": the NIC has it from the network`);
  } else if (!config.parent) {
    throw badRequest('"parent" is required for a NIC without "network": name the bridge to join');
  }
  if (filtersAddresses(config) && usesVlans(config)) {
    throw badRequest('"security.ipv4_filtering" and "security.ipv6_filtering" cannot be used together with VLANs');
  }
};

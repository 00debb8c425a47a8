/** What single keys of a bridge network cannot tell. */
import { badRequest, type Config, isInterfaceName, messageOf, validateConfig } from '@lxd-ts/driver-kit';
import { type Family, formatAddress, formatSubnet, inSubnet, networkOf } from './addresses.ts';
import { bridgeConfig } from './config.ts';
import { type FamilySettings, readSettings, type Tunnel } from './settings.ts';

const validateFamily = (family: Family, settings: FamilySettings): void => {
  const { address, dhcp, reserved } = settings;
  const subnet = formatSubnet(networkOf(address));
  for (const [key, ranges] of [
    ['dhcp.ranges', dhcp?.ranges ?? []],
    ['ovn.ranges', reserved],
  ] as const) {
    for (const { first, last } of ranges) {
      if (!inSubnet(address, first) || !inSubnet(address, last)) {
        const range = `${formatAddress(first)}-${formatAddress(last)}`;
        throw badRequest(`"${family}.${key}": the range ${range} is not within the network's subnet ${subnet}`);
      }
    }
  }
  if (dhcp?.gateway && !inSubnet(address, dhcp.gateway)) {
    throw badRequest(`"${family}.dhcp.gateway": ${formatAddress(dhcp.gateway)} is not within the subnet ${subnet}`);
  }
};

const validateTunnel = (network: string, tunnel: Tunnel): void => {
  const { link, protocol, local, remote, group } = tunnel;
  const key = `tunnel.${link.slice(network.length + 1)}`;
  try {
    isInterfaceName(link);
  } catch (error) {
    throw badRequest(`"${key}": its interface would be called "${link}", which ${messageOf(error)}`);
  }
  if (protocol === 'gre' && (!local || !remote)) {
    throw badRequest(`"${key}": a gre tunnel needs ${key}.local and ${key}.remote`);
  }
  if (local && local.family !== (remote ?? group).family) {
    throw badRequest(`"${key}": both ends must be of one address family`);
  }
};

/** @throws LxdError bad-request when no bridge can have that name */
export const validateName = (name: string): void => {
  try {
    isInterfaceName(name);
  } catch (error) {
    throw badRequest(`The network name "${name}" ${messageOf(error)}`);
  }
};

/**
 * Checks name and configuration of a network, every key and what they say together.
 *
 * @throws LxdError bad-request
 */
export const validateBridge = (name: string, config: Config): void => {
  validateName(name);
  validateConfig(bridgeConfig, config, 'network');
  const settings = readSettings(name, config);
  if (settings.ipv4) validateFamily('ipv4', settings.ipv4);
  if (settings.ipv6) validateFamily('ipv6', settings.ipv6);
  for (const key of Object.keys(config)) {
    const tunnel = /^tunnel\.([^.]+)\./.exec(key)?.[1];
    if (tunnel !== undefined && config[key] && !config[`tunnel.${tunnel}.protocol`]) {
      throw badRequest(`"${key}" needs tunnel.${tunnel}.protocol`);
    }
  }
  for (const tunnel of settings.tunnels) validateTunnel(name, tunnel);
};

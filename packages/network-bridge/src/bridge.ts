/** The `bridge` network driver. */
import { type Config, defineNetworkDriver, messageOf, type NetworkDriver, notImplemented } from '@lxd-ts/driver-kit';
import { getSysctl, run } from '@lxd-ts/host';
import { families } from './addresses.ts';
import { bridgeConfig } from './config.ts';
import { freeSubnet } from './free-subnet.ts';
import { openBridge } from './network.ts';
import { validateBridge } from './validate.ts';

const kernelHasIpv6 = (): boolean => getSysctl('net/ipv6/conf/all/disable_ipv6') !== undefined;

export const bridge: NetworkDriver = defineNetworkDriver({
  name: 'bridge',
  features: {
    managed: true,
    projects: false,
    acls: false,
    forwards: false,
    loadBalancers: false,
    peers: false,
    zones: false,
    memberConfig: ['bridge.external_interfaces', 'bgp.ipv4.nexthop', 'bgp.ipv6.nexthop'],
  },
  config: bridgeConfig,

  async probe() {
    const needed = [
      { argv: ['ip', '-Version'], debianPackage: 'iproute2' },
      { argv: ['nft', 'list', 'tables'], debianPackage: 'nftables' },
      { argv: ['dnsmasq', '--version'], debianPackage: 'dnsmasq-base' },
    ] as const;
    try {
      await Promise.all(needed.map(({ argv, debianPackage }) => run(argv, { debianPackage })));
    } catch (error) {
      throw notImplemented(`Bridge networks cannot be used on this host: ${messageOf(error)}`, { cause: error });
    }
  },

  async fill(_name, config, environment) {
    const filled: Record<string, string> = { ...config };
    const used = await environment.usedSubnets();
    for (const family of families) {
      const address = filled[`${family}.address`] || (family === 'ipv6' && !kernelHasIpv6() ? 'none' : 'auto');
      filled[`${family}.address`] = address;
      if (address !== 'auto') continue;
      filled[`${family}.address`] = freeSubnet(family, used);
      if (!filled[`${family}.nat`]) filled[`${family}.nat`] = 'true';
    }
    return filled satisfies Config;
  },

  validate: validateBridge,
  open: openBridge,
});

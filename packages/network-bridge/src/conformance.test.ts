import { isolateNetwork, networkConformance } from '@lxd-ts/driver-kit/testing';
import { bridge } from './bridge.ts';
import { bridgedNic } from './nic/bridged.ts';

isolateNetwork();

networkConformance({
  driver: bridge,
  nic: bridgedNic,
  change: {
    'bridge.mtu': '1400',
    'dns.domain': 'example.net',
    'ipv4.address': '10.90.1.1/24',
    'ipv4.nat': 'false',
    'ipv4.routes': '10.90.2.0/24',
    'ipv6.address': 'none',
  },
  refused: { 'raw.dnsmasq': 'no-such-option', 'ipv4.address': '10.90.3.1/24', 'bridge.mtu': '1300' },
  foreignKey: 'parent',
});

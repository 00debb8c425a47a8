import { readFile } from 'node:fs/promises';
import { type Config, findKey, isKind, validateConfig } from '@lxd-ts/driver-kit';
import { describe, expect, it } from 'vitest';
import { bridge } from './bridge.ts';
import { bridgeConfig } from './config.ts';
import { bridgedNic } from './nic/bridged.ts';
import { p2pNic } from './nic/p2p.ts';

const base: Config = { 'ipv4.address': '10.1.2.1/24', 'ipv6.address': 'fd42:1::1/64' };

const refuse = (check: () => void, ...parts: string[]): void => {
  try {
    check();
  } catch (error) {
    expect(isKind(error, 'bad-request')).toBe(true);
    for (const part of parts) expect(`${error}`).toContain(part);
    return;
  }
  expect.fail(`accepted, where it should say ${parts.join(', ')}`);
};

describe('networks', () => {
  it.each([
    ['ipv4.address', '10.1.2.1', 'prefix length'],
    ['ipv4.address', '10.1/24', 'prefix length'],
    ['ipv4.address', '10.1.2.0/24', 'host'],
    ['ipv4.address', '10.1.2.255/24', 'host'],
    ['ipv4.address', 'fd42::1/64', 'IPv4'],
    ['ipv6.address', 'fd42::/64', 'host'],
    ['ipv6.address', 'fe80::1%eth0/64', 'IPv6'],
    ['ipv6.address', 'fd42::1/129', 'IPv6'],
    ['bridge.hwaddr', '00:16:3e', 'MAC'],
    ['bridge.hwaddr', '01:00:5e:00:00:01', 'unicast'],
    ['bridge.mtu', '1279', 'between 1280 and 16384'],
    ['bridge.mtu', '16385', 'between 1280 and 16384'],
    ['bridge.external_interfaces', 'eth1,a b', '"a b"'],
    ['bridge.driver', 'openvswitch', 'native'],
    ['bridge.mode', 'fan', 'standard'],
    ['dns.mode', 'static', 'none, managed, dynamic'],
    ['dns.domain', 'a b', 'domain'],
    ['dns.domain', 'x\nserver=1.1.1.1', 'domain'],
    ['dns.search', 'one.example,-bad', '"-bad"'],
    ['ipv4.dhcp', 'maybe', 'boolean'],
    ['ipv4.dhcp.expiry', 'soon', '1h'],
    ['ipv4.dhcp.gateway', '10.9.9.9', 'not within the subnet 10.1.2.0/24'],
    ['ipv4.dhcp.ranges', '10.1.2.5', 'FIRST-LAST'],
    ['ipv4.dhcp.ranges', '10.1.2.9-10.1.2.5', 'FIRST-LAST'],
    ['ipv4.dhcp.ranges', '10.1.2.5-10.1.3.9', 'not within the network'],
    ['ipv4.ovn.ranges', '10.1.3.5-10.1.3.9', 'not within the network'],
    ['ipv6.dhcp.ranges', '10.1.2.5-10.1.2.9', 'IPv6'],
    ['ipv4.nat.address', 'fd42::1', 'IPv4'],
    ['ipv4.nat.order', 'first', 'before, after'],
    ['ipv4.routes', '10.5.0.1/16', 'host bits'],
    ['ipv6.routes', '10.5.0.0/16', 'IPv6'],
    ['tunnel.a.protocol', 'ipip', 'vxlan, gre'],
    ['tunnel.a.id', '3', 'tunnel.a.protocol'],
  ])('[06.21 06.57] %s=%s is refused', (key, value, message) => {
    refuse(() => bridge.validate('br0', { ...base, [key]: value }), `"${key}`, message);
  });

  it.each([
    [
      'vxlan of mixed families',
      { 'tunnel.a.protocol': 'vxlan', 'tunnel.a.local': '10.1.1.1', 'tunnel.a.remote': 'fd42::1' },
      'family',
    ],
    ['gre with one end', { 'tunnel.a.protocol': 'gre', 'tunnel.a.local': '10.1.1.1' }, 'tunnel.a.remote'],
    ['a name too long for an interface', { 'tunnel.averylongname.protocol': 'vxlan' }, 'br0-averylongname'],
  ])('[06.61 06.62] %s is refused', (_title, config: Config, message) => {
    refuse(() => bridge.validate('br0', { ...base, ...config }), message);
  });

  it.each(['a', 'a/b', 'a b', '..', 'sixteencharacter', 'caf\u00e9'])('the name "%s" is refused', (name) => {
    refuse(() => bridge.validate(name, base), `"${name}"`);
  });

  it('[06.20 06.41] every declared key is one of the documentation, and its default is that of the documentation', async () => {
    const text = await readFile(new URL('../../../docs/spec/config/network.yaml', import.meta.url), 'utf8');
    const section = /\nbridge:\n((?: {2}.*\n)+)/.exec(text)?.[1] ?? '';
    const documented = new Map(
      [...section.matchAll(/- \{key: ([^,]+), type: [^,]+, default: ([^,]+),/g)].map(([, key, value]) => [key, value]),
    );
    expect(documented.size).toBeGreaterThan(60);
    for (const { key, default: value } of bridgeConfig) {
      expect(documented.has(key), key).toBe(true);
      expect(`${value ?? null}`, key).toBe(documented.get(key));
    }
    // What needs another implementation of the bridge, or parts of the server that are not there.
    const missing = [...documented.keys()].filter((key) => key && !findKey(bridgeConfig, key));
    expect(missing.filter((key) => !/^(fan\.|security\.acls|dns\.zone\.)/.test(key ?? ''))).toEqual([]);
  });
});

describe('NICs', () => {
  const checkBridged = (config: Config): void => {
    validateConfig(bridgedNic.config, config, 'device');
    bridgedNic.validate({ name: 'eth0', config }, 'container');
  };

  it('[03.218 03.220 03.230] a network or a parent, and nothing that the network decides', () => {
    checkBridged({ network: 'br0' });
    checkBridged({ nictype: 'bridged', parent: 'br0', mtu: '1400' });
    refuse(() => checkBridged({ nictype: 'bridged' }), '"parent"');
    for (const [key, value] of [
      ['nictype', 'bridged'],
      ['parent', 'br0'],
      ['mtu', '1400'],
      ['maas.subnet.ipv4', 'x'],
    ] as const) {
      refuse(() => checkBridged({ network: 'br0', [key]: value }), `"${key}"`, '"network"');
    }
  });

  it.each([
    ['hwaddr', '01:00:5e:00:00:01', 'unicast'],
    ['host_name', 'sixteencharacter', 'interface name'],
    ['name', 'a/b', 'interface name'],
    ['ipv4.address', '10.1.1.1/24', 'IPv4 address, or none'],
    ['ipv6.address', '10.1.1.1', 'IPv6 address, or none'],
    ['ipv4.routes', '10.1.1.1', 'prefix length'],
    ['ipv4.routes.external', '10.1.1.1/24', 'host bits'],
    ['limits.ingress', '10MB', 'Mbit'],
    ['limits.egress', '1.5Mbit', 'Mbit'],
    ['limits.max', '-1', 'Mbit'],
    ['queue.tx.length', '-1', 'between'],
    ['boot.priority', 'x', 'whole number'],
    ['security.mac_filtering', 'maybe', 'boolean'],
    ['vlan', '4095', '4094'],
    ['vlan', '1-3', 'one VLAN'],
    ['vlan.tagged', '10,20-5', '"20-5"'],
  ])('%s=%s is refused', (key, value, message) => {
    refuse(() => checkBridged({ network: 'br0', [key]: value }), `"${key}"`, message);
  });

  it('[03.242] VLANs and address filters exclude each other', () => {
    checkBridged({ network: 'br0', vlan: 'none', 'vlan.tagged': '10,20-29' });
    refuse(() => checkBridged({ network: 'br0', vlan: '5', 'security.ipv4_filtering': 'true' }), 'VLAN');
  });

  it('[03.221] every key of the documentation is declared, those of a type by that type alone', async () => {
    const text = await readFile(new URL('../../../docs/spec/config/devices.yaml', import.meta.url), 'utf8');
    const keysOf = (type: string): string[] => {
      const from = text.indexOf(`\n  ${type}:\n`);
      const section = /\n {2}\S+:\n((?: {4}.*\n)+)/.exec(text.slice(from))?.[1] ?? '';
      return [...section.matchAll(/- key: "([^"]+)"/g)].map(([, key]) => key ?? '').sort();
    };
    const declared = (config: typeof p2pNic.config): string[] =>
      config
        .map(({ key }) => key)
        .filter((key) => key !== 'user.*')
        .sort();
    expect(declared(bridgedNic.config)).toEqual(keysOf('bridged'));
    expect(declared(p2pNic.config)).toEqual(keysOf('p2p'));
  });
});

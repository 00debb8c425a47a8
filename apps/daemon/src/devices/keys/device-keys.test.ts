import { readFileSync } from 'node:fs';
import { checkValue, findKey, messageOf, validateConfig } from '@lxd-ts/driver-kit';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { deviceKeys } from './device-keys.ts';

const documentedKey = z.object({
  key: z.string(),
  type: z.string(),
  default: z.unknown(),
  managed: z.string().nullable(),
});
type DocumentedKey = z.infer<typeof documentedKey>;

/** Drivers of other packages, which declare their own. */
const elsewhere = ['nic bridged', 'nic p2p'];

const all = Object.entries(
  z
    .record(z.string(), z.union([z.array(documentedKey), z.record(z.string(), z.array(documentedKey))]))
    .parse(parse(readFileSync(new URL('../../../../../docs/spec/config/devices.yaml', import.meta.url), 'utf8'))),
).flatMap(([type, keys]): [string, DocumentedKey[]][] =>
  Array.isArray(keys) ? [[type, keys]] : Object.entries(keys).map(([variant, own]) => [`${type} ${variant}`, own]),
);

const documented = all.filter(([type]) => !elsewhere.includes(type));

const plainDefault = (value: unknown): string | undefined =>
  value === null || typeof value === 'object' || String(value).startsWith('<') ? undefined : String(value);

describe('device keys', () => {
  it.each(documented)('%s has the documented keys with their defaults', (type, keys) => {
    const declared = deviceKeys[type];
    if (!declared) throw new Error(`${type} is not declared`);
    expect(declared.map(({ key }) => key).sort()).toEqual(keys.map(({ key }) => key).sort());
    for (const key of keys) {
      const own = findKey(declared, key.key);
      expect({ key: key.key, default: own?.default }).toEqual({ key: key.key, default: plainDefault(key.default) });
      if (['bool', 'integer'].includes(key.type))
        expect({ key: key.key, type: own?.type }).toEqual({ key: key.key, type: key.type });
    }
  });

  it('every declared type is documented, and every default a value that its key accepts', () => {
    expect(Object.keys(deviceKeys).sort()).toEqual(documented.map(([type]) => type).sort());
    for (const key of Object.values(deviceKeys).flat()) {
      // The default of gputype is another variant's word.
      if (key.default !== undefined && key.key !== 'gputype') checkValue(key, key.key, key.default);
    }
  });
});

const refusal = (type: string, key: string, value: string): string | undefined => {
  try {
    validateConfig(deviceKeys[type] ?? [], { [key]: value }, 'device');
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
};

describe('values of device keys', () => {
  // Accepted and refused as by LXD 5.0.2, or as the documents say where that took anything.
  it.each<[string, string, string[], string[]]>([
    ['nic macvlan', 'mtu', ['1500', '1280'], ['foo', '0', '-1', '9000000']],
    ['nic macvlan', 'hwaddr', ['00:16:3e:00:00:01', '00:16:3E:AA:00:01'], ['foo', '00163e000001', '00-16-3e-00-00-01']],
    ['nic routed', 'ipv4.routes', ['10.0.0.0/24', '10.0.0.0/24, 10.1.0.0/24'], ['foo', 'fd00::/64', '10.0.0.1']],
    ['nic routed', 'limits.ingress', ['10Mbit', '10'], ['foo', '10MB', '10Mbit,']],
    ['nic macvlan', 'name', ['eth0'], ['a b', 'a/b', 'aaaaaaaaaaaaaaaaaaaaa', 'x']],
    ['nic macvlan', 'boot.priority', ['5'], ['-1', 'foo', '4294967296']],
    ['nic sriov', 'gvrp', [], ['true']],
    ['nic macvlan', 'vlan', ['10'], ['none', 'foo']],
    ['nic ovn', 'acceleration', ['none', 'sriov', 'vdpa'], ['fast']],
    ['nic ovn', 'security.acls.default.ingress.action', ['allow', 'reject', 'drop'], ['foo']],
    ['nic ipvlan', 'mode', ['l2', 'l3s'], ['foo']],
    ['nic ipvlan', 'ipv4.gateway', ['auto', 'none', '10.0.0.1'], ['foo', '::1']],
    ['nic ipvlan', 'ipv4.address', ['10.0.0.5', '10.0.0.5/24,10.0.0.6'], ['foo', '10.0.0.5/33', '::1']],
    ['nic routed', 'ipv4.address', ['10.1.1.1', '10.1.1.1,10.1.1.2'], ['foo', '10.1.1.1/24']],
    ['nic routed', 'ipv6.gateway', ['auto', 'none'], ['foo']],
    ['nic routed', 'ipv4.host_address', ['169.254.0.9'], ['foo']],
    ['nic routed', 'ipv4.host_table', ['100'], ['foo']],
    ['disk', 'propagation', ['rshared', 'private'], ['foo']],
    ['disk', 'limits.read', ['10MB', '10iops', '10'], ['foo', '10Mbit', 'iops']],
    ['disk', 'io.cache', ['none', 'writeback', 'unsafe'], ['foo']],
    ['disk', 'readonly', ['true'], ['foo']],
    ['disk', 'size', ['10GB'], ['foo']],
    ['unix-char', 'source', ['/dev/null'], ['null', '/etc/passwd']],
    ['unix-char', 'major', ['1'], ['a', '-1']],
    ['unix-char', 'mode', ['0660', '660'], ['999', 'abc']],
    ['unix-char', 'gid', ['0', '4294967295'], ['-1', 'a', '4294967296']],
    ['usb', 'vendorid', ['1d6b'], ['foo', '0x1d6b', '1D6B']],
    ['gpu physical', 'pci', ['0000:00:00.0', '00:00.0'], ['foo']],
    [
      'gpu mig',
      'mig.uuid',
      ['MIG-b5a7ee23-ae93-5f9c-8e3d-1b2f5e6d7c8a', 'b5a7ee23-ae93-5f9c-8e3d-1b2f5e6d7c8a'],
      ['foo'],
    ],
    ['gpu mig', 'mig.gi', ['0', '255'], ['a', '256']],
    ['infiniband', 'nictype', ['physical', 'sriov'], ['bridged']],
    ['infiniband', 'hwaddr', ['a0:00:0f:c0:00:00:00:01'], ['foo', 'a0:00']],
    [
      'proxy',
      'listen',
      ['tcp:127.0.0.1:80', 'udp:[::1]:53', 'tcp:0.0.0.0:80,82,90-92', 'unix:/x', 'unix:@x'],
      ['foo', 'tcp:localhost:80', 'tcp:127.0.0.1:70000', 'tcp:127.0.0.1', 'sctp:1.1.1.1:80', 'tcp:1.1.1.1:90-80'],
    ],
    ['proxy', 'bind', ['host', 'instance'], ['foo']],
    ['pci', 'address', ['0000:00:00.0', '00:00.0'], ['foo']],
  ])('%s %s', (type, key, good, bad) => {
    for (const value of good)
      expect({ value, refused: refusal(type, key, value) }).toEqual({ value, refused: undefined });
    for (const value of bad)
      expect({ value, refused: refusal(type, key, value) }).toEqual({
        value,
        refused: expect.stringContaining(`"${key}"`),
      });
  });
});

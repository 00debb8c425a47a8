import { describe, expect, it } from 'vitest';
import {
  type Check,
  each,
  isAbsolutePath,
  isAddress,
  isHttpUrl,
  isHwaddr,
  isIdRange,
  isInterfaceName,
  isIpv4Address,
  isIpv4Subnet,
  isIpv6Subnet,
  isListenAddress,
  isOctalMode,
  isVlanId,
  isVlanRange,
  orWords,
} from './checks.ts';

describe('value checks', () => {
  it.each<[string, Check, string[], string[]]>([
    ['address', isAddress, ['10.0.0.1', '::1'], ['10.0.0', 'x', '10.0.0.1/24', '']],
    [
      'IPv4 subnet',
      isIpv4Subnet,
      ['10.0.0.0/24', '10.0.0.5/32'],
      ['10.0.0.0', 'fd00::/64', '10.0.0.0/33', '10.0.0.0/24/1'],
    ],
    ['IPv6 subnet', isIpv6Subnet, ['fd00::/64', '::1/128'], ['10.0.0.0/24', 'fd00::/129']],
    ['MAC address', isHwaddr, ['00:16:3e:00:00:01', '00:16:3E:AA:00:01'], ['00163e000001', '00-16-3e-00-00-01', 'foo']],
    [
      'interface name',
      isInterfaceName,
      ['eth0', 'a.b_c-d'],
      ['x', 'a'.repeat(16), 'a b', 'a/b', '..', 'all', 'default'],
    ],
    ['VLAN ID', isVlanId, ['0', '4094'], ['4095', '-1', 'x', '']],
    ['VLAN range', isVlanRange, ['10', '10-20'], ['20-10', '4095', '1-2-3']],
    ['ID range', isIdRange, ['0', '0-3', '4294967295'], ['3-1', '4294967296', 'a', '0-']],
    ['file mode', isOctalMode, ['0660', '644', '1777'], ['999', 'abc', '66', '00660']],
    ['path', isAbsolutePath, ['/', '/a b'], ['a', '', './a']],
    [
      'listen address',
      isListenAddress,
      [':8443', '10.0.0.1', '[::]:8443', '[::1]', '::1', 'host.example:80', 'localhost'],
      ['', 'a b', '1.2.3.4:70000', '1.2.3.4.5:80', ':foo', 'http://x', '[::1', '[x]:80', 'h:0'],
    ],
    ['URL', isHttpUrl, ['https://x/y', 'http://127.0.0.1:3100'], ['ftp://x', 'x', 'https://']],
  ])('%s', (_, check, good, bad) => {
    for (const value of good) expect(() => check(value), value).not.toThrow();
    for (const value of bad) expect(() => check(value), value).toThrow(/^must be an? /);
  });

  it('name the item of a list, and the words that are accepted besides', () => {
    expect(() => each(isIpv4Address)('10.0.0.1, x')).toThrow('has the item "x", which must be an IPv4 address');
    expect(() => each(isIpv4Address)('10.0.0.1,')).toThrow('has the item "", which is empty');
    expect(() => orWords(['auto', 'none'], isAddress)('x')).toThrow('must be an IP address, or auto or none');
    expect(() => orWords(['auto'], isAddress)('auto')).not.toThrow();
  });
});

import { BlockList, isIPv6 } from 'node:net';
import { addAddress, addBridge, applyIp } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { testContext } from '../context.ts';
import { discardLink, type NetworkConformanceOptions, networkName } from './suite.ts';

const within = (subnets: readonly string[], cidr: string | undefined): boolean => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', prefix] = subnet.split('/');
    list.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  const [address = ''] = (cidr ?? '').split('/');
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
};

/** The choice of subnets. */
export const subnetTests = ({ driver, config: base = {} }: NetworkConformanceOptions): void => {
  const fill = (config: Record<string, string>, used: readonly string[] = []) =>
    driver.fill(networkName(), { ...base, ...config }, { usedSubnets: async () => used });

  it('[06.23 06.24] without addresses it gets random private subnets, and NAT', async () => {
    const [one, two] = [await fill({}), await fill({ 'ipv4.address': 'auto', 'ipv6.address': 'auto' })];
    for (const config of [one, two]) {
      expect(config['ipv4.address']).toMatch(/^10\.\d+\.\d+\.1\/24$/);
      expect(config['ipv6.address']).toMatch(/^fd42:[0-9a-f:]+::1\/64$/);
      expect(config).toMatchObject({ 'ipv4.nat': 'true', 'ipv6.nat': 'true' });
    }
    expect(one['ipv4.address']).not.toBe(two['ipv4.address']);
  });

  it('[06.23] none disables a family', async () => {
    const config = await fill({ 'ipv4.address': 'none', 'ipv6.address': 'none' });
    expect(config).toEqual({ ...base, 'ipv4.address': 'none', 'ipv6.address': 'none' });
  });

  it('[06.24] addresses and NAT that were given stay as they are', async () => {
    const given = { 'ipv4.address': '10.1.2.3/20', 'ipv6.address': 'auto', 'ipv6.nat': 'false' };
    const config = await fill(given);
    expect(config).toMatchObject({ 'ipv4.address': '10.1.2.3/20', 'ipv6.nat': 'false' });
    expect(config['ipv4.nat']).toBeUndefined();
  });

  it('[06.23] subnets of other networks are avoided', async () => {
    const used = ['10.0.0.0/9', '10.128.0.0/10', '10.192.0.0/11', '10.224.0.0/12', 'fd42:8000::/17'];
    for (let round = 0; round < 20; round++) {
      const config = await fill({}, used);
      expect(within(['10.240.0.0/12'], config['ipv4.address'])).toBe(true);
      expect(within(used, config['ipv6.address'])).toBe(false);
    }
    const rest = await fill({}, ['10.0.0.0/8', '172.16.0.0/12']);
    expect(within(['192.168.0.0/16'], rest['ipv4.address'])).toBe(true);
  });

  it('[06.23] subnets that this host has addresses in are avoided', async () => {
    await using context = await testContext('lxd-ts-network');
    const name = networkName();
    context.defer(`delete ${name}`, () => discardLink(name));
    await applyIp([
      ...addBridge(name, { up: true }),
      ...addAddress(name, '10.1.1.1/9'),
      ...addAddress(name, '10.129.1.1/9'),
    ]);
    expect((await fill({}))['ipv4.address']).toMatch(/^172\.(1[6-9]|2\d|3[01])\.\d+\.1\/24$/);
  });

  it('[06.23] when all private space is taken, the error says what to do', async () => {
    await expect(fill({}, ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'])).rejects.toThrow('set ipv4.address');
  });
};

import { randomHwaddr } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { isKind } from '../../errors.ts';
import type { Lease } from '../../network/contract.ts';
import { askDhcp } from './dhcp.ts';
import { askDhcp6 } from './dhcp6.ts';
import type { Guest } from './guest.ts';
import { type NetworkConformanceOptions, type Setting, startNetwork } from './suite.ts';

const subnet = { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': 'fd42:91:7:1::1/64' };

/** What a name server answers, or undefined when it knows no such name. */
const lookUp = async (guest: Guest, type: 'a' | 'aaaa' | 'ptr', name: string): Promise<string | undefined> => {
  const output = await guest.run('busybox', 'nslookup', `-type=${type}`, name, '10.91.7.1').catch(() => '');
  const answer = output.slice(output.indexOf('\n\n'));
  return /(?:Address: |name = )(\S+)/.exec(answer)?.[1];
};

const leasesOf = async ({ network }: Setting, hwaddr: string): Promise<readonly Lease[]> =>
  (await network.leases()).filter((lease) => lease.hwaddr === hwaddr);

/** Instances on a network that serves addresses and names. */
export const guestTests = (options: NetworkConformanceOptions): void => {
  const start = (config: Record<string, string> = {}) => startNetwork(options, { ...subnet, ...config });

  it('[06.36 06.55 06.60 01.186] an instance gets an address, the gateway and its name, and shows up as a lease', async () => {
    await using setting = await start();
    const { context } = setting;
    const guest = await setting.guest('c1');
    const answer = await askDhcp(guest, context.directory, '-x', 'hostname:forged');
    expect(answer).toMatchObject({
      router: '10.91.7.1',
      dns: '10.91.7.1',
      domain: 'lxd',
      hostname: 'c1',
      lease: '3600',
    });
    expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '2', '10.91.7.1')).toBe(true);
    expect(await lookUp(guest, 'a', 'c1.lxd')).toBe(answer.ip);
    expect(await lookUp(guest, 'ptr', `${answer.ip?.split('.').reverse().join('.')}.in-addr.arpa`)).toBe('c1.lxd');
    expect(await lookUp(guest, 'a', 'forged.lxd')).toBeUndefined();
    expect(await leasesOf(setting, guest.hwaddr)).toContainEqual({
      hostname: 'c1',
      hwaddr: guest.hwaddr,
      address: answer.ip,
      type: 'dynamic',
    });
    const gateways = (await setting.network.leases()).filter(({ type }) => type === 'gateway');
    expect(gateways.map(({ address }) => address)).toEqual(['10.91.7.1', 'fd42:91:7:1::1']);
  });

  it('[06.38 06.39 03.232] a fixed address is served to the NIC it belongs to, by its MAC address', async () => {
    await using setting = await start();
    const { context } = setting;
    const guest = await setting.guest('c1', { 'ipv4.address': '10.91.7.77' });
    const copy = await setting.guest('c2');
    // A copied instance may remember the original's client id.
    const clientId = ['-C', '-x', '0x3d:ff0102030405060708'];
    expect((await askDhcp(guest, context.directory, ...clientId)).ip).toBe('10.91.7.77');
    expect((await askDhcp(copy, context.directory)).ip).not.toBe('10.91.7.77');
    expect(await leasesOf(setting, guest.hwaddr)).toContainEqual({
      hostname: 'c1',
      hwaddr: guest.hwaddr,
      address: '10.91.7.77',
      type: 'static',
    });
  });

  it('a reservation takes effect at once, and other leases stay', async () => {
    await using setting = await start();
    const { context, network } = setting;
    const other = await setting.guest('other');
    const before = await askDhcp(other, context.directory);
    const guest = await setting.guest('c1');
    await askDhcp(guest, context.directory);
    const { hwaddr } = guest;
    const entry = { instance: 'c1', project: 'default', device: 'eth0', hwaddr };
    await network.setReservations([{ ...entry, ipv4: '10.91.7.88' }]);
    expect((await askDhcp(guest, context.directory)).ip).toBe('10.91.7.88');
    expect(await leasesOf(setting, other.hwaddr)).toContainEqual(expect.objectContaining({ address: before.ip }));
    await network.setReservations([]);
    expect((await leasesOf(setting, hwaddr)).filter(({ type }) => type === 'static')).toEqual([]);
  });

  it('two NICs cannot have one address, and the reservations before stay', async () => {
    await using setting = await start();
    const entry = (instance: string) => ({
      instance,
      project: 'default',
      device: 'eth0',
      hwaddr: randomHwaddr(),
      ipv4: '10.91.7.20',
    });
    await setting.network.setReservations([entry('c1')]);
    await expect(setting.network.setReservations([entry('c2'), entry('c3')])).rejects.toSatisfy((error) =>
      isKind(error, 'conflict'),
    );
    const reserved = (await setting.network.leases()).filter(({ type }) => type === 'static');
    expect(reserved.map(({ hostname }) => hostname)).toEqual(['c1']);
  });

  it('reservations outlive the driver object and a restart of the network', async () => {
    await using setting = await start();
    const { network, spec } = setting;
    const entry = { instance: 'c1', project: 'default', device: 'eth0', hwaddr: randomHwaddr(), ipv4: '10.91.7.20' };
    await network.setReservations([entry]);
    await network.stop();
    const second = options.driver.open(spec);
    await second.start();
    expect(await second.leases()).toEqual(await network.leases());
    expect(await second.leases()).toContainEqual({
      hostname: 'c1',
      hwaddr: entry.hwaddr,
      address: '10.91.7.20',
      type: 'static',
    });
  });

  it('the leases of a NIC that is gone can be forgotten; the others stay', async () => {
    await using setting = await start();
    const { context, network } = setting;
    const [gone, stays] = [await setting.guest('gone'), await setting.guest('stays')];
    await askDhcp(gone, context.directory);
    await askDhcp(stays, context.directory);
    const remaining = await leasesOf(setting, stays.hwaddr);
    await network.setReservations([{ instance: 'stays', project: 'default', device: 'eth0', hwaddr: stays.hwaddr }]);
    await network.forgetLeases(gone.hwaddr);
    await network.forgetLeases(gone.hwaddr);
    expect(await leasesOf(setting, gone.hwaddr)).toEqual([]);
    expect(await leasesOf(setting, stays.hwaddr)).toEqual(remaining);
    expect(await lookUp(stays, 'a', 'gone.lxd')).toBeUndefined();
    expect(await lookUp(stays, 'a', 'stays.lxd')).toBeDefined();
  });

  it('[06.55 06.57 06.59] expiry, gateway, ranges, domain and search list are told to clients', async () => {
    await using setting = await start({
      'ipv4.dhcp.expiry': '10m',
      'ipv4.dhcp.gateway': '10.91.7.2',
      'ipv4.dhcp.ranges': '10.91.7.200-10.91.7.200,10.91.7.210-10.91.7.211',
      'dns.domain': 'example.net',
      'dns.search': 'one.example,two.example',
    });
    const { context } = setting;
    const given: (string | undefined)[] = [];
    for (const name of ['c1', 'c2', 'c3']) {
      const guest = await setting.guest(name);
      const answer = await askDhcp(guest, context.directory);
      expect(answer).toMatchObject({
        lease: '600',
        router: '10.91.7.2',
        domain: 'example.net',
        search: 'one.example two.example',
      });
      expect(await lookUp(guest, 'a', `${name}.example.net`)).toBe(answer.ip);
      given.push(answer.ip);
    }
    expect(given.sort()).toEqual(['10.91.7.200', '10.91.7.210', '10.91.7.211']);
    const late = await setting.guest('c4');
    await expect(askDhcp(late, context.directory)).rejects.toThrow('udhcpc');
  });

  it('[06.55] without DHCP nobody answers', async () => {
    await using setting = await start({ 'ipv4.dhcp': 'false' });
    const guest = await setting.guest('c1');
    await expect(askDhcp(guest, setting.context.directory)).rejects.toThrow('udhcpc');
  });

  it('[06.58] dns.mode says whose names count: dynamic those of clients, none nobody’s', async () => {
    for (const mode of ['managed', 'dynamic', 'none'] as const) {
      await using setting = await start({ 'dns.mode': mode });
      const { context, network } = setting;
      const known = await setting.guest('known');
      const unknown = await setting.guest('unknown');
      await network.setReservations([{ instance: 'known', project: 'default', device: 'eth0', hwaddr: known.hwaddr }]);
      await askDhcp(known, context.directory, '-x', 'hostname:own1');
      await askDhcp(unknown, context.directory, '-x', 'hostname:own2');
      const names = [];
      for (const name of ['known', 'own1', 'own2']) if (await lookUp(known, 'a', `${name}.lxd`)) names.push(name);
      expect(names).toEqual({ managed: ['known'], dynamic: ['own1', 'own2'], none: [] }[mode]);
    }
  });

  it('[06.56 01.187] instances choose IPv6 addresses by advertisements, under their name when they use DHCPv4', async () => {
    await using setting = await start();
    const guest = await setting.guest('c1');
    const { hwaddr } = guest;
    const slaac = (await leasesOf(setting, hwaddr)).find(({ address }) => address.includes(':'))?.address ?? '';
    expect(slaac).toMatch(/^fd42:91:7:1:/);
    await expect.poll(() => guest.run('ip', '-6', 'addr', 'show', 'dev', 'eth0'), { timeout: 20_000 }).toContain(slaac);
    expect(await guest.run('ip', '-6', 'route', 'show', 'default')).toContain('via fe80::');
    await askDhcp(guest, setting.context.directory);
    await expect.poll(() => lookUp(guest, 'aaaa', 'c1.lxd'), { timeout: 20_000 }).toBe(slaac);
  });

  it('[06.56 03.232] stateful DHCPv6 assigns addresses, fixed ones too', async () => {
    await using setting = await start({
      'ipv6.dhcp.stateful': 'true',
      'ipv6.dhcp.ranges': 'fd42:91:7:1::100-fd42:91:7:1::1ff',
    });
    const guest = await setting.guest('c1');
    const fixed = await setting.guest('c2', { 'ipv6.address': 'fd42:91:7:1::42' });
    const linkLocal = /inet6 fe80\S+ scope link\s*$/m;
    for (const each of [guest, fixed]) {
      await expect
        .poll(() => each.run('ip', '-6', 'addr', 'show', 'dev', 'eth0', '-tentative'), { timeout: 10_000 })
        .toMatch(linkLocal);
    }
    expect(await askDhcp6(guest, guest.hwaddr)).toMatch(/^fd42:0091:0007:0001:0000:0000:0000:01[0-9a-f]{2}$/);
    expect(await askDhcp6(fixed, fixed.hwaddr)).toBe('fd42:0091:0007:0001:0000:0000:0000:0042');
    expect(await leasesOf(setting, fixed.hwaddr)).toEqual([
      { hostname: 'c2', hwaddr: fixed.hwaddr, address: 'fd42:91:7:1::42', type: 'static' },
    ]);
    expect((await leasesOf(setting, guest.hwaddr)).map(({ type }) => type)).toEqual(['dynamic']);
  });

  it('a change of the network’s services does not cut instances off', async () => {
    await using setting = await start();
    const { context, network, config } = setting;
    const guest = await setting.guest('c1');
    const { ip } = await askDhcp(guest, context.directory);
    await network.update({ ...config, 'dns.domain': 'changed.example' }, ['dns.domain']);
    expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '2', '10.91.7.1')).toBe(true);
    expect(await askDhcp(guest, context.directory)).toMatchObject({ ip, domain: 'changed.example' });
    await network.update({ ...config, 'ipv4.address': '10.92.7.1/24' }, ['ipv4.address']);
    expect((await askDhcp(guest, context.directory)).ip).toMatch(/^10\.92\.7\./);
  });
};

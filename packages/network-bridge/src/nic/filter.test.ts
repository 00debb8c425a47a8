import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '@lxd-ts/driver-kit';
import { askDhcp, isolateNetwork, openFrames, type Setting, startNetwork } from '@lxd-ts/driver-kit/testing';
import { applyIp, applyNft, listNftTable, setLink } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { autoconfigured, formatAddress, parseSubnet, readAddress } from '../addresses.ts';
import { bridge } from '../bridge.ts';
import { bridgedNic } from './bridged.ts';
import { filterRules } from './filter.ts';

isolateNetwork();

const subnet6 = 'fd42:91:7:1::1/64';
const start = (config: Config = {}) =>
  startNetwork(
    { driver: bridge, nic: bridgedNic },
    { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': subnet6, ...config },
  );

const mac = (text: string): Buffer => Buffer.from(text.replaceAll(':', ''), 'hex');
const ip = (text: string): Buffer => {
  const address = readAddress(text);
  if (!address) throw new Error(text);
  return Buffer.from(address.value.toString(16).padStart(address.family === 'ipv4' ? 8 : 32, '0'), 'hex');
};
const u16 = (...values: number[]): Buffer => Buffer.concat(values.map((value) => Buffer.of(value >> 8, value & 255)));

const ethernet = (source: string, target: string, type: number, payload: Buffer): Buffer =>
  Buffer.concat([mac(target), mac(source), u16(type), payload]);

const ipv4 = (source: string, target: string, payload: Buffer): Buffer => {
  const udp = 17;
  const header = Buffer.concat([u16(0x4500, 20 + payload.length, 0, 0, (64 << 8) | udp, 0), ip(source), ip(target)]);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >> 16);
  header.writeUInt16BE(~(sum + (sum >> 16)) & 0xffff, 10);
  return Buffer.concat([header, payload]);
};
const udp = (from: number, to: number, payload: Buffer): Buffer =>
  Buffer.concat([u16(from, to, 8 + payload.length, 0), payload]);
const ipv6 = (source: string, target: string, next: number, payload: Buffer): Buffer =>
  Buffer.concat([u16(0x6000, 0, payload.length, (next << 8) | 255), ip(source), ip(target), payload]);
const arp = (operation: number, hwaddr: string, address: string, target: string): Buffer =>
  Buffer.concat([u16(1, 0x0800, 0x0604, operation), mac(hwaddr), ip(address), mac('00:00:00:00:00:00'), ip(target)]);
const icmp6 = 58;
const advertisement = (target: string, hwaddr: string): Buffer =>
  Buffer.concat([Buffer.of(136, 0, 0, 0, 0x20, 0, 0, 0), ip(target), Buffer.of(2, 1), mac(hwaddr)]);

interface Host {
  readonly hwaddr: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What an instance may send, and what it may not, by the filter that stops it. */
const frames = (own: Host, other: Host): { title: string; stoppedBy: Config; frame: (tail: Buffer) => Buffer }[] => {
  const send = (type: number, payload: Buffer, source = own.hwaddr) => ethernet(source, other.hwaddr, type, payload);
  const [v4, v6, mac] = [
    { 'security.ipv4_filtering': 'true' },
    { 'security.ipv6_filtering': 'true' },
    { 'security.mac_filtering': 'true' },
  ];
  const linkLocal = formatAddress(autoconfigured(parseSubnet('fe80::/64'), own.hwaddr));
  const stranger = '00:16:3e:99:99:99';
  return [
    {
      title: 'IPv4 of its own',
      stoppedBy: {},
      frame: (tail) => send(0x0800, ipv4(own.ipv4, other.ipv4, udp(1, 2, tail))),
    },
    {
      title: 'a DHCP request',
      stoppedBy: {},
      frame: (tail) => send(0x0800, ipv4('0.0.0.0', '255.255.255.255', udp(68, 67, tail))),
    },
    {
      title: 'ARP of its own',
      stoppedBy: {},
      frame: (tail) => send(0x0806, Buffer.concat([arp(1, own.hwaddr, own.ipv4, other.ipv4), tail])),
    },
    {
      title: 'an ARP probe',
      stoppedBy: {},
      frame: (tail) => send(0x0806, Buffer.concat([arp(1, own.hwaddr, '0.0.0.0', own.ipv4), tail])),
    },
    {
      title: 'IPv6 of its own',
      stoppedBy: {},
      frame: (tail) => send(0x86dd, ipv6(own.ipv6, other.ipv6, 17, udp(1, 2, tail))),
    },
    {
      title: 'IPv6 of its link',
      stoppedBy: {},
      frame: (tail) => send(0x86dd, ipv6(linkLocal, other.ipv6, 17, udp(1, 2, tail))),
    },
    {
      title: 'an advertisement of its own',
      stoppedBy: {},
      frame: (tail) =>
        send(0x86dd, ipv6(own.ipv6, other.ipv6, icmp6, Buffer.concat([advertisement(own.ipv6, own.hwaddr), tail]))),
    },
    {
      title: 'a frame of another MAC',
      stoppedBy: mac,
      frame: (tail) => send(0x0800, ipv4(own.ipv4, other.ipv4, udp(1, 2, tail)), stranger),
    },
    {
      title: 'ARP for another MAC',
      stoppedBy: mac,
      frame: (tail) => send(0x0806, Buffer.concat([arp(2, stranger, own.ipv4, other.ipv4), tail])),
    },
    {
      title: 'an advertisement of another MAC',
      stoppedBy: mac,
      frame: (tail) =>
        send(0x86dd, ipv6(own.ipv6, other.ipv6, icmp6, Buffer.concat([advertisement(own.ipv6, stranger), tail]))),
    },
    {
      title: 'IPv4 of another',
      stoppedBy: v4,
      frame: (tail) => send(0x0800, ipv4('10.91.7.66', other.ipv4, udp(1, 2, tail))),
    },
    {
      title: 'a nameless packet that is no DHCP',
      stoppedBy: v4,
      frame: (tail) => send(0x0800, ipv4('0.0.0.0', other.ipv4, udp(68, 53, tail))),
    },
    {
      title: 'ARP in the name of the gateway',
      stoppedBy: v4,
      frame: (tail) => send(0x0806, Buffer.concat([arp(2, own.hwaddr, '10.91.7.1', other.ipv4), tail])),
    },
    {
      title: 'IPv6 of another',
      stoppedBy: v6,
      frame: (tail) => send(0x86dd, ipv6('fd42:91:7:1::66', other.ipv6, 17, udp(1, 2, tail))),
    },
    {
      title: 'an advertisement of another’s address',
      stoppedBy: v6,
      frame: (tail) =>
        send(
          0x86dd,
          ipv6(own.ipv6, other.ipv6, icmp6, Buffer.concat([advertisement('fd42:91:7:1::1', own.hwaddr), tail])),
        ),
    },
    {
      title: 'a router advertisement',
      stoppedBy: v6,
      frame: (tail) =>
        send(
          0x86dd,
          ipv6(
            linkLocal,
            'ff02::1',
            icmp6,
            Buffer.concat([Buffer.of(134, 0, 0, 0, 64, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0), tail]),
          ),
        ),
    },
    // In VLAN 1, to which ports belong where the bridge filters VLANs.
    ...[v4, v6].flatMap((stoppedBy) => [
      {
        title: 'a frame in a VLAN',
        stoppedBy,
        frame: (tail: Buffer) =>
          send(0x8100, Buffer.concat([u16(1, 0x0800), ipv4('10.91.7.66', other.ipv4, udp(1, 2, tail))])),
      },
      {
        title: 'a frame in nested VLANs',
        stoppedBy,
        frame: (tail: Buffer) =>
          send(0x88a8, Buffer.concat([u16(1, 0x8100, 6, 0x0800), ipv4('10.91.7.66', other.ipv4, udp(1, 2, tail))])),
      },
      { title: 'a frame of another protocol', stoppedBy, frame: (tail: Buffer) => send(0x88b5, tail) },
    ]),
  ];
};

/** The titles of the frames that reach the other instance. */
const arriving = async (
  setting: Setting,
  nic: Config,
): Promise<{ all: ReturnType<typeof frames>; arrived: string[] }> => {
  const sender = await setting.guest(`from${Object.keys(nic).length}`, nic);
  const receiver = await setting.guest(`to${Object.keys(nic).length}`);
  const describeHost = async (guest: typeof sender): Promise<Host> => ({
    hwaddr: guest.hwaddr,
    ipv4: (await askDhcp(guest, setting.context.directory)).ip ?? '',
    ipv6: formatAddress(autoconfigured(parseSubnet(subnet6), guest.hwaddr)),
  });
  const all = frames(await describeHost(sender), await describeHost(receiver));
  using from = openFrames(sender);
  using to = openFrames(receiver);
  const marks = all.map((_, at) => Buffer.from(`mark of frame ${`${at}`.padStart(40, '0')}`));
  for (const [at, { frame }] of all.entries()) from.send(frame(marks[at] ?? Buffer.alloc(0)));
  const seen: Buffer[] = [];
  for (let round = 0; round < 10; round++) {
    await sleep(20);
    seen.push(...to.received());
  }
  const arrived = all.filter((_, at) => seen.some((each) => each.includes(marks[at] ?? '')));
  return { all, arrived: arrived.map(({ title }) => title) };
};

describe('filters', () => {
  it('[01.188] without them an instance may send anything', async () => {
    await using setting = await start();
    const { all, arrived } = await arriving(setting, {});
    expect(arrived).toEqual(all.map(({ title }) => title));
  });

  for (const [numbers, key] of [
    ['03.235 01.190', 'security.mac_filtering'],
    ['03.236 03.239 01.193 01.196 01.197', 'security.ipv4_filtering'],
    ['03.236 03.238 03.239 01.193 01.195 01.196', 'security.ipv6_filtering'],
  ] as const) {
    it(`[${numbers}] ${key} stops what it must and lets the rest through`, async () => {
      await using setting = await start();
      const { all, arrived } = await arriving(setting, { [key]: 'true' });
      // Both IP filters turn on that of the MAC address.
      const stopped = all.filter(({ stoppedBy }) => stoppedBy[key] || stoppedBy['security.mac_filtering']);
      const passing = all.filter(({ title }) => !stopped.some((each) => each.title === title));
      expect(arrived).toEqual(passing.map(({ title }) => title));
    });
  }

  it('[03.240] all together, an instance works as before', async () => {
    await using setting = await start();
    const all = { 'security.ipv4_filtering': 'true', 'security.ipv6_filtering': 'true' };
    const guest = await setting.guest('c1', all);
    const other = await setting.guest('c2', all);
    const answers = [await askDhcp(guest, setting.context.directory), await askDhcp(other, setting.context.directory)];
    const usable = () => guest.run('ip', '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'global', '-tentative');
    await expect.poll(usable, { timeout: 20_000 }).toContain('fd42:91:7:1:');
    for (const target of ['10.91.7.1', 'fd42:91:7:1::1', answers[1]?.ip ?? '']) {
      expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '3', target)).toBe(true);
    }
    const leases = (await setting.network.leases()).filter(({ hwaddr }) => hwaddr === guest.hwaddr);
    expect(leases).toContainEqual({ hostname: 'c1', hwaddr: guest.hwaddr, address: answers[0]?.ip, type: 'static' });
  });

  it('[03.237 01.194] a family in which it can have no address is blocked', async () => {
    await using setting = await start({ 'ipv4.dhcp': 'false', 'ipv6.address': 'none' });
    for (const [name, nic] of [
      ['c1', { 'security.ipv4_filtering': 'true' }],
      ['c2', { 'security.ipv4_filtering': 'true', 'ipv4.address': 'none' }],
    ] as const) {
      const guest = await setting.guest(name, nic);
      await guest.run('ip', 'addr', 'add', '10.91.7.50/24', 'dev', 'eth0');
      expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '1', '10.91.7.1')).toBe(false);
      await guest.run('ip', 'addr', 'flush', 'dev', 'eth0');
    }
    const free = await setting.guest('c3');
    await free.run('ip', 'addr', 'add', '10.91.7.51/24', 'dev', 'eth0');
    expect(await free.try('busybox', 'ping', '-c', '1', '-W', '2', '10.91.7.1')).toBe(true);
  });

  it('[03.240] an instance that changes its MAC address is cut off', async () => {
    await using setting = await start();
    const guest = await setting.guest('c1', { 'security.mac_filtering': 'true' });
    await askDhcp(guest, setting.context.directory);
    const ping = () => guest.try('busybox', 'ping', '-c', '1', '-W', '1', '10.91.7.1');
    expect(await ping()).toBe(true);
    await applyIp(setLink('eth0', { address: '00:16:3e:aa:bb:cc' }), guest.pid);
    expect(await ping()).toBe(false);
    await applyIp(setLink('eth0', { address: guest.hwaddr }), guest.pid);
    expect(await ping()).toBe(true);
  });

  it('what is routed to an instance may come from it, its own address in a routed subnet included', async () => {
    await using setting = await start();
    const guest = await setting.guest('c1', {
      'security.ipv4_filtering': 'true',
      'ipv4.address': '10.91.7.70',
      'ipv4.routes': '10.91.7.64/26,10.91.40.0/24',
    });
    await askDhcp(guest, setting.context.directory);
    await guest.run('ip', 'addr', 'add', '10.91.40.9/32', 'dev', 'lo');
    await guest.run('ip', 'addr', 'add', '10.91.41.9/32', 'dev', 'lo');
    const ping = (from: string) => guest.try('busybox', 'ping', '-c', '1', '-W', '1', '-I', from, '10.91.7.1');
    expect([await ping('10.91.40.9'), await ping('10.91.41.9')]).toEqual([true, false]);
  });
});

it('a table is only made when there is something to filter', async () => {
  const nothing = { hwaddr: undefined, ipv4: undefined, ipv6: undefined };
  const table = 'lxdts_nic/filtertest';
  await applyNft(filterRules(table, 'lo', { ...nothing, hwaddr: '00:16:3e:00:00:01' }));
  expect(await listNftTable('netdev', table)).toBeDefined();
  await applyNft(filterRules(table, 'lo', nothing));
  expect(await listNftTable('netdev', table)).toBeUndefined();
});

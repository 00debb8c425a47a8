import { type Config, isKind } from '@lxd-ts/driver-kit';
import { askDhcp, isolateNetwork, startGuest, startNetwork } from '@lxd-ts/driver-kit/testing';
import {
  addAddress,
  addBridge,
  addVeth,
  addVxlan,
  applyIp,
  applyNft,
  deleteLink,
  getSysctl,
  linkExists,
  listLinks,
  listRoutes,
  run,
  setLink,
  setSysctl,
} from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { bridge } from './bridge.ts';
import { serviceFiles } from './dnsmasq-config.ts';
import { firewallRules } from './firewall.ts';
import { bridgedNic } from './nic/bridged.ts';
import { readSettings } from './settings.ts';

isolateNetwork();

const start = (config: Config = {}) =>
  startNetwork(
    { driver: bridge, nic: bridgedNic },
    { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': 'fd42:91:7:1::1/64', ...config },
  );

const linkOf = (name: string) => listLinks().find((link) => link.name === name);
const routesTo = (link: string): string[] => {
  const index = linkOf(link)?.index;
  return listRoutes()
    .filter(({ linkIndex, protocol }) => linkIndex === index && protocol === 4)
    .map(({ destination }) => destination)
    .sort();
};

/** The shortest of some rounds, in milliseconds. */
const fastest = async (
  rounds: number,
  work: (round: number) => Promise<void>,
  tidy: (round: number) => Promise<void>,
) => {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    await work(round);
    times.push(performance.now() - begin);
    await tidy(round);
  }
  return Math.min(...times);
};

it('creation and start together take less than three times what the bare commands take', async () => {
  await using setting = await start({ 'ipv6.address': 'none' });
  const { spec, config, network } = setting;
  await network.stop();
  const settings = readSettings(spec.name, config);
  const bare = await fastest(
    5,
    async () => {
      await applyIp([...addBridge(spec.name, { up: true }), ...addAddress(spec.name, '10.91.7.1/24')]);
      await applyNft(firewallRules(settings));
      await run(['dnsmasq', `--conf-file=${serviceFiles(spec.directory).config}`]);
    },
    () => network.stop(),
  );
  const open = (round: number) => bridge.open({ ...spec, directory: `${spec.directory}-${round}` });
  const ours = await fastest(
    5,
    async (round) => {
      await open(round).create();
      await open(round).start();
    },
    async (round) => {
      await open(round).stop();
      await open(round).delete();
    },
  );
  expect(ours / bare).toBeLessThan(3);
});

describe('the interface', () => {
  it('[06.43] its address is chosen at creation and kept; bridge.hwaddr fixes another', async () => {
    await using setting = await start();
    const { network, spec, config } = setting;
    const chosen = (await network.state()).hwaddr;
    expect(chosen).toMatch(/^00:16:3e:/);
    await network.stop();
    await bridge.open(spec).start();
    expect((await network.state()).hwaddr).toBe(chosen);
    await network.update({ ...config, 'bridge.hwaddr': '00:16:3E:01:02:03' }, ['bridge.hwaddr']);
    expect((await network.state()).hwaddr).toBe('00:16:3e:01:02:03');
    await network.update(config, ['bridge.hwaddr']);
    expect((await network.state()).hwaddr).toBe(chosen);
  });

  it('[06.46] its MTU is 1500, 1400 with a tunnel, or as set; clients and NICs learn it', async () => {
    await using setting = await start();
    const { network, config, context } = setting;
    expect((await network.state()).mtu).toBe(1500);
    const tunnel = { 'tunnel.a.protocol': 'vxlan', 'tunnel.a.interface': 'lo' };
    await network.update({ ...config, ...tunnel }, Object.keys(tunnel));
    expect((await network.state()).mtu).toBe(1400);
    await network.update({ ...config, 'bridge.mtu': '1350' }, ['bridge.mtu', ...Object.keys(tunnel)]);
    expect((await network.state()).mtu).toBe(1350);
    const guest = await setting.guest('c1');
    expect(await askDhcp(guest, context.directory)).toMatchObject({ mtu: '1350' });
    expect(await guest.run('ip', 'link', 'show', 'dev', 'eth0')).toContain('mtu 1350');
    // A port does not pull the bridge down to its own MTU, nor up.
    expect((await network.state()).mtu).toBe(1350);
  });

  it('[01.189 06.83] the host forwards, and goes on listening to router advertisements', async () => {
    for (const [path, value] of [
      ['net/ipv4/ip_forward', 0],
      ['net/ipv6/conf/all/forwarding', 0],
      ['net/ipv6/conf/lo/accept_ra', 1],
    ] as const) {
      setSysctl(path, value);
    }
    await using setting = await start();
    const { name } = setting.spec;
    expect(getSysctl('net/ipv4/ip_forward')).toBe('1');
    expect(getSysctl('net/ipv6/conf/all/forwarding')).toBe('1');
    expect(getSysctl(`net/ipv6/conf/${name}/accept_ra`)).toBe('2');
    expect(getSysctl('net/ipv6/conf/lo/accept_ra')).toBe('2');
    expect(getSysctl(`net/ipv6/conf/${name}/autoconf`)).toBe('0');
  });

  it('[06.23] without IPv6 it has not even a link-local address', async () => {
    await using setting = await start({ 'ipv6.address': 'none' });
    await setting.guest('c1');
    expect((await setting.network.state()).addresses).toEqual([
      { family: 'inet', address: '10.91.7.1', netmask: '24', scope: 'global' },
    ]);
  });

  it('[06.47] further subnets are routed to the bridge', async () => {
    await using setting = await start({ 'ipv4.routes': '10.91.8.0/24,10.91.9.0/24', 'ipv6.routes': 'fd42:91:8::/48' });
    const { network, spec, config } = setting;
    expect(routesTo(spec.name)).toEqual(['10.91.8.0/24', '10.91.9.0/24', 'fd42:91:8::/48']);
    await applyIp(setLink(spec.name, { up: false }));
    expect(routesTo(spec.name)).toEqual([]);
    await network.start();
    expect(routesTo(spec.name)).toEqual(['10.91.8.0/24', '10.91.9.0/24', 'fd42:91:8::/48']);
    await network.update({ ...config, 'ipv4.routes': '10.91.9.0/24', 'ipv6.routes': '' }, [
      'ipv4.routes',
      'ipv6.routes',
    ]);
    expect(routesTo(spec.name)).toEqual(['10.91.9.0/24']);
  });

  it('a change of the address keeps what is routed to instances', async () => {
    await using setting = await start();
    const { network, spec, config } = setting;
    await setting.guest('c1', { 'ipv4.routes': '10.91.20.0/24' });
    const has = () => listRoutes().some(({ destination }) => destination === '10.91.20.0/24');
    for (const address of ['10.91.7.2/24', '10.91.7.2/25', '10.92.1.1/24']) {
      await network.update({ ...config, 'ipv4.address': address }, ['ipv4.address']);
      const addresses = (await network.state()).addresses.filter(({ family }) => family === 'inet');
      expect(addresses.map((each) => `${each.address}/${each.netmask}`)).toEqual([address]);
      expect(has()).toBe(true);
    }
    expect(linkExists(spec.name)).toBe(true);
  });

  it('a start brings back an interface that was removed', async () => {
    await using setting = await start();
    const { network, spec } = setting;
    const before = await network.state();
    await applyIp(deleteLink(spec.name));
    await expect(network.state()).rejects.toSatisfy((error) => isKind(error, 'not-found'));
    await network.start();
    expect(await network.state()).toEqual({ ...before, counters: expect.anything() });
    const guest = await setting.guest('c1');
    expect((await askDhcp(guest, setting.context.directory)).router).toBe('10.91.7.1');
  });

  it('an interface of another kind is not taken over', async () => {
    await using setting = await start();
    const { network, spec, context } = setting;
    await network.stop();
    await applyIp(addVeth(spec.name, { name: 'other0' }));
    context.defer('delete other0', async () => {
      if (linkExists('other0')) await applyIp(deleteLink('other0'));
    });
    await expect(network.start()).rejects.toSatisfy((error) => isKind(error, 'conflict'));
    expect(linkOf(spec.name)?.kind).toBe('veth');
    await applyIp(deleteLink('other0'));
  });
});

describe('external interfaces', () => {
  it('[06.42] unconfigured ones join the bridge, and are free again afterwards', async () => {
    await using setting = await start();
    const { network, spec, config, context } = setting;
    await applyIp([...addVeth('ext0', { name: 'ext1' }), ...addVeth('ext2', { name: 'ext3' })]);
    context.defer('delete the interfaces', () => applyIp([...deleteLink('ext0'), ...deleteLink('ext2')]));
    const joined = () =>
      listLinks()
        .filter(({ masterIndex }) => masterIndex === linkOf(spec.name)?.index)
        .map(({ name }) => name)
        .sort();
    const key = 'bridge.external_interfaces';
    await network.update({ ...config, [key]: 'ext0,ext2' }, [key]);
    expect(joined()).toEqual(['ext0', 'ext2']);
    await network.update({ ...config, [key]: 'ext2' }, [key]);
    expect(joined()).toEqual(['ext2']);
    await network.stop();
    expect(linkOf('ext2')).toMatchObject({ masterIndex: undefined });
    await network.start();
    expect(joined()).toEqual(['ext2']);
    await network.update(config, [key]);
    expect(joined()).toEqual([]);
  });

  it('[06.42] one with an address, or of another bridge, is refused; an absent one is left out', async () => {
    await using setting = await start();
    const { network, config, context } = setting;
    await applyIp([
      ...addVeth('ext0', { name: 'ext1' }),
      ...addAddress('ext0', '10.93.1.1/24'),
      ...addBridge('extbr'),
      ...setLink('ext1', { master: 'extbr' }),
    ]);
    context.defer('delete the interfaces', () => applyIp([...deleteLink('ext0'), ...deleteLink('extbr')]));
    const key = 'bridge.external_interfaces';
    for (const name of ['ext0', 'ext1']) {
      const failure = network.update({ ...config, [key]: name }, [key]);
      await expect(failure).rejects.toSatisfy((error) => isKind(error, 'bad-request'));
      await expect(failure).rejects.toThrow(`"${name}"`);
    }
    await network.update({ ...config, [key]: 'absent0' }, [key]);
    expect((await network.state()).bridge?.upperDevices).toEqual([]);
  });
});

describe('tunnels', () => {
  /** A machine at 192.0.2.2, whose own 10.91.7.9 is only reached through its end of a tunnel. */
  const farEnd = async (options: { id: number; port: number; remote?: string; group?: string; dev?: string }) => {
    const guest = await startGuest();
    await applyIp([
      ...addVeth('under0', { name: 'under1', namespace: guest.pid }, { up: true }),
      ...addAddress('under0', '192.0.2.1/24'),
    ]);
    await applyIp([...setLink('under1', { up: true }), ...addAddress('under1', '192.0.2.2/24')], guest.pid);
    await applyIp(
      [...addVxlan('tun0', options), ...setLink('tun0', { up: true }), ...addAddress('tun0', '10.91.7.9/24')],
      guest.pid,
    );
    return {
      ...guest,
      async [Symbol.asyncDispose]() {
        await guest[Symbol.asyncDispose]();
        if (linkExists('under0')) await applyIp(deleteLink('under0'));
      },
    };
  };

  it('[06.61 06.63] vxlan joins two hosts, by unicast and by multicast', async () => {
    await using unicast = await farEnd({ id: 7, port: 4789, remote: '192.0.2.1', dev: 'under1' });
    const tunnel = (values: Config): Config =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [`tunnel.a.${key}`, value]));
    const base = { protocol: 'vxlan', id: '7', port: '4789' };
    const direct = tunnel({ ...base, local: '192.0.2.1', remote: '192.0.2.2' });
    await using setting = await start(direct);
    const { network, config, spec } = setting;
    const ping = () => unicast.try('busybox', 'ping', '-c', '2', '-W', '2', '10.91.7.1');
    expect(await ping()).toBe(true);
    // The same again is left alone.
    const { index } = linkOf(`${spec.name}-a`) ?? {};
    await network.start();
    expect(linkOf(`${spec.name}-a`)?.index).toBe(index);

    await applyIp(
      [
        ...deleteLink('tun0'),
        ...addVxlan('tun0', { id: 7, port: 4789, group: '239.0.0.5', dev: 'under1' }),
        ...setLink('tun0', { up: true }),
        ...addAddress('tun0', '10.91.7.9/24'),
      ],
      unicast.pid,
    );
    const { 'tunnel.a.local': _local, 'tunnel.a.remote': _remote, ...rest } = config;
    const multicast = { ...rest, ...tunnel({ ...base, group: '239.0.0.5', interface: 'under0' }) };
    bridge.validate(spec.name, multicast);
    await network.update(multicast, ['tunnel.a.local', 'tunnel.a.remote', 'tunnel.a.group', 'tunnel.a.interface']);
    expect((await run(['ip', '-d', 'link', 'show', 'dev', `${spec.name}-a`])).stdout).toMatch(
      /vxlan id 7 group 239.0.0.5 dev under0 .*dstport 4789 ttl 1/,
    );
    expect(await ping()).toBe(true);

    const none = Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('tunnel.')));
    await network.update(none, Object.keys(multicast));
    expect(linkExists(`${spec.name}-a`)).toBe(false);
    expect(await ping()).toBe(false);
  });

  it('[06.61] several on one bridge; all go with it', async () => {
    const tunnels = Object.fromEntries(
      ['a', 'bb'].flatMap((name, at) => [
        [`tunnel.${name}.protocol`, 'vxlan'],
        [`tunnel.${name}.interface`, 'lo'],
        [`tunnel.${name}.id`, `${at + 1}`],
      ]),
    );
    await using setting = await start(tunnels);
    const { spec, network } = setting;
    expect((await network.state()).bridge?.upperDevices).toEqual([`${spec.name}-a`, `${spec.name}-bb`]);
    await network.stop();
    expect([`${spec.name}-a`, `${spec.name}-bb`].filter(linkExists)).toEqual([]);
  });

  it('[06.63] without interface, multicast goes the way of the default route', async () => {
    const failure = start({ 'tunnel.a.protocol': 'vxlan' });
    await expect(failure).rejects.toSatisfy((error) => isKind(error, 'bad-request'));
    await expect(failure).rejects.toThrow('no default route');
    await applyIp([...addBridge('way0', { up: true }), ...addAddress('way0', '192.0.2.1/24')]);
    try {
      await applyIp([['route', 'add', 'default', 'via', '192.0.2.9', 'dev', 'way0']]);
      await using setting = await start({ 'tunnel.a.protocol': 'vxlan' });
      const { stdout } = await run(['ip', '-d', 'link', 'show', 'dev', `${setting.spec.name}-a`]);
      expect(stdout).toMatch(/vxlan id 0 group 239.0.0.1 dev way0 /);
    } finally {
      await applyIp(deleteLink('way0'));
    }
  });

  it('[06.62] gre joins both ends, where the kernel has it', async () => {
    const gre = { 'tunnel.a.protocol': 'gre', 'tunnel.a.local': '192.0.2.1', 'tunnel.a.remote': '192.0.2.2' };
    const supported = await run([
      'ip',
      'link',
      'add',
      'grecheck',
      'type',
      'gretap',
      'local',
      '192.0.2.1',
      'remote',
      '192.0.2.2',
    ]).then(
      () => true,
      () => false,
    );
    if (!supported) {
      await expect(start(gre)).rejects.toThrow('gretap');
      return;
    }
    await applyIp(deleteLink('grecheck'));
    await using setting = await start(gre);
    const { stdout } = await run(['ip', '-d', 'link', 'show', 'dev', `${setting.spec.name}-a`]);
    expect(stdout).toMatch(/gretap remote 192.0.2.2 local 192.0.2.1/);
  });
});

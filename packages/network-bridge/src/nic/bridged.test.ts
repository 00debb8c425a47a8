import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Config, type Device, type DeviceContext, isKind, type StartedDevice } from '@lxd-ts/driver-kit';
import {
  askDhcp,
  type Guest,
  isolateNetwork,
  nicContext,
  type Setting,
  startGuest,
  startNetwork,
  type TestNetwork,
} from '@lxd-ts/driver-kit/testing';
import {
  addAddress,
  addBridge,
  applyIp,
  deleteLink,
  linkExists,
  listLinks,
  listNftTable,
  listRoutes,
  setLink,
} from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { bridge } from '../bridge.ts';
import { bridgedNic } from './bridged.ts';

isolateNetwork();

const start = (config: Config = {}) =>
  startNetwork(
    { driver: bridge, nic: bridgedNic },
    { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': 'fd42:91:7:1::1/64', ...config },
  );

/** A started NIC whose link is still on the host, gone at the end. */
const startNic = async (
  setting: Setting,
  config: Config,
  options: { instance?: string; volatile?: Config; server?: Config } = {},
): Promise<{ device: Device; context: DeviceContext; started: StartedDevice; host: string; link: string }> => {
  const { instance = 'c1', volatile, server } = options;
  const device: Device = { name: 'eth0', config };
  const networks: Record<string, TestNetwork> = { [setting.spec.name]: setting.test };
  const context = nicContext(networks, instance, 'eth0', volatile, server);
  bridgedNic.validate(device, 'container');
  const started = await bridgedNic.start(device, context);
  const running = nicContext(networks, instance, 'eth0', started.volatile, server);
  setting.context.defer(`stop ${instance}`, async () => {
    await bridgedNic.stop(device, running);
  });
  const [attachment] = started.attachments;
  if (attachment?.kind !== 'nic') throw new Error('no link for the instance');
  return { device, context: running, started, host: started.volatile?.host_name ?? '', link: attachment.link };
};

const linkOf = (name: string) => listLinks().find((link) => link.name === name);
const routesVia = (name: string): string[] => {
  const index = linkOf(name)?.index;
  return listRoutes()
    .filter(({ linkIndex, protocol }) => linkIndex === index && protocol === 3)
    .map(({ destination }) => destination)
    .sort();
};

describe('the pair of links', () => {
  it('[03.230 03.222 03.224] joins the instance to the bridge, with a random name and MAC address', async () => {
    await using setting = await start();
    const { started, host, link } = await startNic(setting, { network: setting.spec.name });
    const hwaddr = started.volatile?.hwaddr ?? '';
    expect(hwaddr).toMatch(/^00:16:3e(:[0-9a-f]{2}){3}$/);
    expect(host).toMatch(/^veth[0-9a-f]{8}$/);
    expect(started.attachments).toEqual([{ kind: 'nic', device: 'eth0', link, name: '', hwaddr, mtu: 1500 }]);
    expect(linkOf(link)).toMatchObject({ hwaddr, mtu: 1500, kind: 'veth' });
    expect(linkOf(host)).toMatchObject({ masterIndex: linkOf(setting.spec.name)?.index, up: true });
  });

  it('[03.201 03.222] the address is kept for the next start, or is the configured one', async () => {
    await using setting = await start();
    const network = setting.spec.name;
    const kept = await startNic(setting, { network }, { volatile: { hwaddr: '00:16:3e:0a:0b:0c' } });
    expect(kept.started.volatile?.hwaddr).toBe('00:16:3e:0a:0b:0c');
    expect(linkOf(kept.link)?.hwaddr).toBe('00:16:3e:0a:0b:0c');
    const fixed = await startNic(setting, { network, hwaddr: '00:16:3E:01:01:01' }, { instance: 'c2' });
    expect(linkOf(fixed.link)?.hwaddr).toBe('00:16:3e:01:01:01');
    expect(fixed.started.volatile).not.toHaveProperty('hwaddr');
  });

  it('[03.224 01.112] its name on the host can be set, or made of the MAC address', async () => {
    await using setting = await start();
    const network = setting.spec.name;
    const named = await startNic(setting, { network, host_name: 'nic.test-1' });
    expect(named.host).toBe('nic.test-1');
    expect(linkExists('nic.test-1')).toBe(true);
    const made = await startNic(
      setting,
      { network, hwaddr: '00:11:22:33:44:55' },
      { instance: 'c2', server: { 'instances.nic.host_name': 'mac' } },
    );
    expect(made.host).toBe('lxd1122334455');
  });

  it('an interface of the host is not replaced by one of the same name', async () => {
    await using setting = await start();
    await applyIp(addBridge('taken0'));
    setting.context.defer('delete taken0', () => applyIp(deleteLink('taken0')));
    const failure = startNic(setting, { network: setting.spec.name, host_name: 'taken0' });
    await expect(failure).rejects.toSatisfy((error) => isKind(error, 'conflict'));
    expect(linkOf('taken0')?.kind).toBe('bridge');
  });

  it('[03.231 03.234] MTU and queue length', async () => {
    await using setting = await start({ 'bridge.mtu': '1400' });
    await applyIp(addBridge('plain0', { up: true, mtu: 1450 }));
    setting.context.defer('delete plain0', () => applyIp(deleteLink('plain0')));
    const inherited = await startNic(setting, { network: setting.spec.name, 'queue.tx.length': '321' });
    for (const name of [inherited.host, inherited.link]) {
      expect(linkOf(name)).toMatchObject({ mtu: 1400, txQueueLength: 321 });
    }
    const parents = await startNic(setting, { nictype: 'bridged', parent: 'plain0' }, { instance: 'c2' });
    expect(linkOf(parents.link)?.mtu).toBe(1450);
    const own = await startNic(setting, { nictype: 'bridged', parent: 'plain0', mtu: '1300' }, { instance: 'c3' });
    expect([linkOf(own.link)?.mtu, linkOf(own.host)?.mtu]).toEqual([1300, 1300]);
  });

  it('[06.4 03.230] bridges that nobody manages can be joined; what is no bridge cannot', async () => {
    await using setting = await start();
    await applyIp([...addBridge('plain0', { up: true }), ...addAddress('plain0', '10.95.1.1/24')]);
    setting.context.defer('delete plain0', () => applyIp(deleteLink('plain0')));
    await using guest = await startGuest();
    const { started } = await startNic(setting, { nictype: 'bridged', parent: 'plain0', name: 'eth0' });
    for (const attachment of started.attachments) if (attachment.kind === 'nic') await guest.attach(attachment);
    await guest.run('ip', 'addr', 'add', '10.95.1.2/24', 'dev', 'eth0');
    expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '2', '10.95.1.1')).toBe(true);
    for (const parent of ['absent0', 'lo']) {
      const failure = startNic(setting, { nictype: 'bridged', parent }, { instance: 'c2' });
      await expect(failure).rejects.toSatisfy((error) => isKind(error, 'bad-request'));
      await expect(failure).rejects.toThrow(`"${parent}"`);
    }
  });

  it('a bridge that is a managed network serves addresses also when it is only named as parent', async () => {
    await using setting = await start();
    const nic = { nictype: 'bridged', parent: setting.spec.name, 'ipv4.address': '10.91.7.60' };
    const { started } = await startNic(setting, nic, { instance: 'named' });
    await using guest = await startGuest();
    for (const attachment of started.attachments) if (attachment.kind === 'nic') await guest.attach(attachment);
    expect(await askDhcp(guest, setting.context.directory)).toMatchObject({ ip: '10.91.7.60', hostname: 'named' });
  });

  it('stop takes the pair away, also one that a crash left, and so does the next start', async () => {
    await using setting = await start();
    const config = {
      network: setting.spec.name,
      'security.mac_filtering': 'true',
      'ipv4.routes': '10.91.20.0/24',
      host_name: 'crash0',
    };
    const { device, host, link } = await startNic(setting, config);
    const table = 'lxdts_nic/default/c1/eth0';
    expect(await listNftTable('netdev', table)).toBeDefined();
    // What the start told was never kept.
    const forgetful = nicContext({ [setting.spec.name]: setting.test }, 'c1', 'eth0');
    const again = await bridgedNic.start(device, forgetful);
    expect(linkExists(link)).toBe(false);
    expect(again.volatile?.host_name).toBe(host);
    expect(await bridgedNic.stop(device, forgetful)).toEqual({ volatile: { host_name: '' } });
    expect([host, link].filter(linkExists)).toEqual([]);
    expect(await listNftTable('netdev', table)).toBeUndefined();
    expect(routesVia(setting.spec.name)).toEqual([]);
    await bridgedNic.stop(device, forgetful);
  });

  it('stop succeeds when the network and its bridge are gone', async () => {
    await using setting = await start();
    const { device, host } = await startNic(setting, { network: setting.spec.name, 'ipv4.routes': '10.91.20.0/24' });
    await setting.network.stop();
    await bridgedNic.stop(device, nicContext({}, 'c1', 'eth0'));
    expect(linkExists(host)).toBe(false);
  });

  it('a start that fails leaves nothing', async () => {
    await using setting = await start();
    const before = listLinks().length;
    const config = { network: setting.spec.name, 'security.mac_filtering': 'true', 'ipv4.routes': '10.91.20.0/24' };
    // There are no routes by an interface that is down.
    await applyIp(setLink(setting.spec.name, { up: false }));
    await expect(startNic(setting, config)).rejects.toThrow('ip route');
    expect(listLinks()).toHaveLength(before);
    expect(routesVia(setting.spec.name)).toEqual([]);
    expect(await listNftTable('netdev', 'lxdts_nic/default/c1/eth0')).toBeUndefined();
  });
});

describe('routes', () => {
  it('[03.233] lead to the bridge, follow changes and go with the NIC', async () => {
    await using setting = await start();
    const config = {
      network: setting.spec.name,
      'ipv4.routes': '10.91.20.0/24,10.91.21.5/32',
      'ipv4.routes.external': '198.51.100.0/28',
      'ipv6.routes': 'fd42:91:20::/48',
    };
    const { device, context } = await startNic(setting, config);
    const name = setting.spec.name;
    expect(routesVia(name)).toEqual(['10.91.20.0/24', '10.91.21.5/32', '198.51.100.0/28', 'fd42:91:20::/48']);
    const changed = {
      ...device,
      config: { ...config, 'ipv4.routes': '10.91.21.5/32,10.91.22.0/24', 'ipv6.routes': '' },
    };
    await bridgedNic.update?.(changed, config, context);
    expect(routesVia(name)).toEqual(['10.91.21.5/32', '10.91.22.0/24', '198.51.100.0/28']);
    await bridgedNic.stop(changed, context);
    expect(routesVia(name)).toEqual([]);
  });
});

describe('addresses', () => {
  it('[03.232] a fixed address must be one the network can assign', async () => {
    await using setting = await start();
    await using silent = await start({ 'ipv4.address': '10.93.7.1/24', 'ipv4.dhcp': 'false', 'ipv6.address': 'none' });
    const network = setting.spec.name;
    for (const [where, config, message] of [
      [setting, { network, 'ipv4.address': '10.1.1.1' }, 'not within the subnet 10.91.7.0/24'],
      [setting, { network, 'ipv4.address': '10.91.7.1' }, 'the address of network'],
      [setting, { network, 'ipv6.address': 'fd42:91:7:1::5' }, 'ipv6.dhcp.stateful'],
      [silent, { network: silent.spec.name, 'ipv4.address': '10.93.7.5' }, 'ipv4.dhcp'],
    ] as const) {
      const failure = startNic(where, config);
      await expect(failure).rejects.toSatisfy((error) => isKind(error, 'bad-request'));
      await expect(failure).rejects.toThrow(message);
    }
  });

  it('two instances cannot have the same fixed address', async () => {
    await using setting = await start();
    const config = { network: setting.spec.name, 'ipv4.address': '10.91.7.60' };
    await startNic(setting, config);
    const before = listLinks().length;
    await expect(startNic(setting, config, { instance: 'c2' })).rejects.toSatisfy((error) => isKind(error, 'conflict'));
    expect(listLinks()).toHaveLength(before);
  });

  it('[03.203] filtered NICs get addresses of their own, the same at each start, also side by side', async () => {
    await using setting = await start({ 'ipv4.dhcp.ranges': '10.91.7.10-10.91.7.15' });
    const config = { network: setting.spec.name, 'security.ipv4_filtering': 'true' };
    const names = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6'];
    const nics = await Promise.all(names.map((instance) => startNic(setting, config, { instance })));
    const addresses = nics.map(({ started }) => started.volatile?.['last_state.ip_addresses']);
    expect(addresses.toSorted()).toEqual([10, 11, 12, 13, 14, 15].map((last) => `10.91.7.${last}`));
    await expect(startNic(setting, config, { instance: 'c7' })).rejects.toThrow('No address is free');
    const [first] = nics;
    if (!first) throw new Error('no NIC');
    await bridgedNic.stop(first.device, first.context);
    const again = await startNic(setting, config, { instance: 'c1', volatile: first.started.volatile ?? {} });
    expect(again.started.volatile?.['last_state.ip_addresses']).toBe(addresses[0]);
  });

  it('a filter turned on while the instance runs lets it keep the address it leases', async () => {
    await using setting = await start();
    const config = { network: setting.spec.name };
    const { device, context, started } = await startNic(setting, config);
    await using guest = await startGuest();
    for (const attachment of started.attachments)
      if (attachment.kind === 'nic') await guest.attach({ ...attachment, name: 'eth0' });
    await askDhcp(guest, setting.context.directory);
    const ping = () => guest.try('busybox', 'ping', '-c', '1', '-W', '1', '10.91.7.1');
    expect(await ping()).toBe(true);
    const filtered = { ...config, 'security.ipv4_filtering': 'true' };
    await bridgedNic.update?.({ ...device, config: filtered }, config, context);
    expect(await ping()).toBe(true);
    await guest.run('ip', 'addr', 'add', '10.91.7.200/24', 'dev', 'eth0');
    const spoof = () => guest.try('busybox', 'ping', '-c', '1', '-W', '1', '-I', '10.91.7.200', '10.91.7.1');
    expect(await spoof()).toBe(false);
    await bridgedNic.update?.(device, filtered, context);
    expect(await spoof()).toBe(true);
    expect(await listNftTable('netdev', 'lxdts_nic/default/c1/eth0')).toBeUndefined();
  });
});

describe('isolation', () => {
  it('[03.241] isolated NICs reach the host and others, but not each other', async () => {
    await using setting = await start();
    const isolated = { 'security.port_isolation': 'true' };
    const [one, two, open] = [
      await setting.guest('c1', isolated),
      await setting.guest('c2', isolated),
      await setting.guest('c3'),
    ];
    const addresses: string[] = [];
    for (const guest of [one, two, open]) {
      addresses.push((await askDhcp(guest, setting.context.directory)).ip ?? '');
    }
    const ping = (guest: Guest, target = '') => guest.try('busybox', 'ping', '-c', '1', '-W', '1', target);
    expect(await ping(one, '10.91.7.1')).toBe(true);
    expect(await ping(one, addresses[2])).toBe(true);
    expect(await ping(one, addresses[1])).toBe(false);
    expect(await ping(open, addresses[1])).toBe(true);
  });
});

describe('limits', () => {
  /** Bits per second in each direction, measured over a second and a half. */
  const measure = async (guest: Guest): Promise<{ ingress: number; egress: number }> => {
    let bytes = 0;
    const sink = createServer((socket) =>
      socket.on('data', (data) => {
        bytes += data.length;
      }),
    );
    const zeros = Buffer.alloc(65536);
    // The client's input is at its end from the beginning.
    const source = createServer({ allowHalfOpen: true }, (socket) => {
      const fill = (): void => {
        while (socket.writable && socket.write(zeros));
      };
      socket.on('drain', fill).on('error', () => socket.destroy());
      fill();
    });
    const ports = [];
    for (const server of [sink, source]) {
      server.listen(0);
      await once(server, 'listening');
      const address = server.address();
      ports.push(typeof address === 'object' ? address?.port : undefined);
    }
    await guest.run('sh', '-c', `timeout 1.5 busybox nc 10.91.7.1 ${ports[0]} < /dev/zero || true`);
    // What waits in the sender's buffers still comes.
    const egress = (bytes * 8) / 1.5;
    const count = await guest.run('sh', '-c', `timeout 1.5 busybox nc 10.91.7.1 ${ports[1]} | wc -c`);
    sink.close();
    source.close();
    return { egress, ingress: (Number(count) * 8) / 1.5 };
  };
  const mega = 1_000_000;
  // A limit says how much at most; how near a busy machine comes to it is its own affair.
  const near = (rate: number) => ({ low: rate * 0.1, high: rate * 1.25 });
  const expectNear = (measured: number, rate: number): void => {
    expect(measured).toBeGreaterThan(near(rate).low);
    expect(measured).toBeLessThan(near(rate).high);
  };

  it('[03.226 03.229] bound the traffic in both directions, and change while the instance runs', async () => {
    await using setting = await start();
    const config = { network: setting.spec.name, 'limits.ingress': '40Mbit', 'limits.egress': '20Mbit' };
    const { device, context, started } = await startNic(setting, config);
    await using guest = await startGuest();
    for (const attachment of started.attachments)
      if (attachment.kind === 'nic') await guest.attach({ ...attachment, name: 'eth0' });
    await askDhcp(guest, setting.context.directory);
    const first = await measure(guest);
    expectNear(first.ingress, 40 * mega);
    expectNear(first.egress, 20 * mega);
    const both = { network: setting.spec.name, 'limits.max': '80Mbit' };
    await bridgedNic.update?.({ ...device, config: both }, config, context);
    const second = await measure(guest);
    expectNear(second.ingress, 80 * mega);
    expectNear(second.egress, 80 * mega);
    await bridgedNic.update?.({ ...device, config: { network: setting.spec.name } }, both, context);
    const free = await measure(guest);
    expect(Math.min(free.ingress, free.egress)).toBeGreaterThan(120 * mega);
  });
});

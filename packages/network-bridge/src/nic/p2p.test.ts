import { isKind } from '@lxd-ts/driver-kit';
import { isolateNetwork, nicContext, startGuest } from '@lxd-ts/driver-kit/testing';
import { addAddress, applyIp, linkExists, listLinks, listRoutes, run } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { p2pNic } from './p2p.ts';

isolateNetwork();

const linkOf = (name: string) => listLinks().find((link) => link.name === name);
const context = (volatile = {}) => nicContext({}, 'p1', 'eth0', volatile);
const routesVia = (name: string): string[] => {
  const index = linkOf(name)?.index;
  return listRoutes()
    .filter(({ linkIndex, protocol }) => linkIndex === index && protocol === 3)
    .map(({ destination }) => destination)
    .sort();
};

it('[03.273 03.274] a pair whose end on the host stands alone, with routes to it', async () => {
  const config = {
    nictype: 'p2p',
    host_name: 'p2ptest0',
    hwaddr: '00:16:3e:00:00:42',
    mtu: '1400',
    'queue.tx.length': '50',
    'ipv4.routes': '10.96.1.0/24',
    'ipv6.routes': 'fd42:96::/64',
  };
  const device = { name: 'eth0', config };
  p2pNic.validate(device, 'container');
  const { attachments, volatile } = await p2pNic.start(device, context());
  await using guest = await startGuest();
  try {
    expect(volatile).toEqual({ host_name: 'p2ptest0' });
    expect(linkOf('p2ptest0')).toMatchObject({ up: true, mtu: 1400, txQueueLength: 50, masterIndex: undefined });
    expect(routesVia('p2ptest0')).toEqual(['10.96.1.0/24', 'fd42:96::/64']);
    for (const attachment of attachments)
      if (attachment.kind === 'nic') await guest.attach({ ...attachment, name: 'eth0' });
    await guest.run('ip', 'addr', 'add', '10.96.1.2/24', 'dev', 'eth0');
    await guest.run('ip', 'route', 'add', '10.96.0.1/32', 'dev', 'eth0');
    await applyIp(addAddress('p2ptest0', '10.96.0.1/32'));
    expect((await run(['busybox', 'ping', '-c', '1', '-W', '2', '10.96.1.2'])).stdout).toContain('1 packets received');
    const changed = { ...device, config: { ...config, 'ipv4.routes': '10.96.2.0/24', 'limits.max': '10Mbit' } };
    await p2pNic.update?.(changed, config, context(volatile));
    expect(routesVia('p2ptest0')).toEqual(['10.96.2.0/24', 'fd42:96::/64']);
    expect((await run(['tc', 'qdisc', 'show', 'dev', 'p2ptest0'])).stdout).toContain('rate 10Mbit');
    const detour = () => listLinks().find(({ alias }) => alias === 'lxdts-ifb:default/p1/eth0');
    expect((await run(['tc', 'qdisc', 'show', 'dev', detour()?.name ?? ''])).stdout).toContain('rate 10Mbit');
    expect(await p2pNic.stop(changed, context())).toEqual({ volatile: { host_name: '' } });
    expect(detour()).toBeUndefined();
  } finally {
    await p2pNic.stop(device, context());
  }
  expect(linkExists('p2ptest0')).toBe(false);
});

it('[03.222 03.224] name and address are random unless given', async () => {
  const device = { name: 'eth0', config: { nictype: 'p2p' } };
  const { attachments, volatile = {} } = await p2pNic.start(device, context());
  try {
    expect(volatile.host_name).toMatch(/^veth[0-9a-f]{8}$/);
    expect(volatile.hwaddr).toMatch(/^00:16:3e:/);
    expect(attachments).toEqual([expect.objectContaining({ kind: 'nic', hwaddr: volatile.hwaddr })]);
    expect(attachments[0]).not.toHaveProperty('mtu');
  } finally {
    await p2pNic.stop(device, context(volatile));
  }
  expect(linkExists(volatile.host_name ?? '')).toBe(false);
});

it('[03.221] it belongs to no network', () => {
  const config = { nictype: 'p2p', network: 'lxdbr0' };
  expect(() => p2pNic.validate({ name: 'eth0', config }, 'container')).toThrow('"network"');
});

it('a change needs a running instance', async () => {
  const device = { name: 'eth0', config: { nictype: 'p2p' } };
  await expect(p2pNic.update?.(device, device.config, context())).rejects.toSatisfy((error) =>
    isKind(error, 'bad-request'),
  );
});

import type { Config } from '@lxd-ts/driver-kit';
import { askDhcp, isolateNetwork, startNetwork, startOutside } from '@lxd-ts/driver-kit/testing';
import { applyIp, applyNft, deleteNftTable, listNftTable, route } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { bridge } from './bridge.ts';
import { tableOf } from './firewall.ts';
import { bridgedNic } from './nic/bridged.ts';

isolateNetwork();

/** A network with a guest, and a machine beyond the host that knows no way back to the network. */
const start = async (config: Config = {}) => {
  const setting = await startNetwork(
    { driver: bridge, nic: bridgedNic },
    { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': 'fd42:91:7:1::1/64', ...config },
  );
  const dispose = () => setting[Symbol.asyncDispose]();
  try {
    const outside = await startOutside(setting.context);
    const guest = await setting.guest('c1');
    const { ip = '' } = await askDhcp(guest, setting.context.directory);
    return { setting, outside, guest, ip, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
};

/** Tells the machine outside the way to the network, as a router without NAT needs. */
const routeBack = ({ outside }: Awaited<ReturnType<typeof start>>): Promise<void> =>
  applyIp(
    [
      ...route('replace', 'eth0', '10.91.7.0/24', { via: '203.0.113.1' }),
      ...route('replace', 'eth0', 'fd42:91:7:1::/64', { via: '2001:db8:113::1' }),
    ],
    outside.guest.pid,
  );

const rulesOf = async (network: string): Promise<string> =>
  JSON.stringify((await listNftTable('inet', tableOf(network))) ?? []);

describe('NAT', () => {
  it('[06.37 06.24] traffic that leaves the subnet comes from the host; without NAT from the instance', async () => {
    await using place = await start({ 'ipv4.nat': 'true' });
    const { setting, outside, guest, ip } = place;
    expect(await outside.seenFrom(guest)).toBe('203.0.113.1');
    await setting.network.update({ ...setting.config, 'ipv4.nat': 'false' }, ['ipv4.nat']);
    await routeBack(place);
    expect(await outside.seenFrom(guest)).toBe(ip);
  });

  it('[06.49] a fixed source address', async () => {
    await using place = await start({ 'ipv4.nat': 'true', 'ipv4.nat.address': '203.0.113.9' });
    // Packets to the address come back to this host; it need not be on an interface.
    await applyIp(route('replace', 'eth0', '203.0.113.9/32', { via: '203.0.113.1' }), place.outside.guest.pid);
    expect(await place.outside.seenFrom(place.guest)).toBe('203.0.113.9');
  });

  it('[06.37] IPv6 too', async () => {
    await using place = await start({ 'ipv6.nat': 'true' });
    const { guest, outside } = place;
    const usable = () => guest.run('ip', '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'global', '-tentative');
    await expect.poll(usable, { timeout: 20_000 }).toContain('fd42:91:7:1:');
    expect(await outside.seenFrom(guest, 'ipv6')).toBe('2001:db8:113::1');
  });

  it('[06.50] nat.order puts the rules before or after those of others', async () => {
    await using place = await start({ 'ipv4.nat': 'true' });
    const { setting, outside, guest } = place;
    const other = `table inet other {
  chain post {
    type nat hook postrouting priority srcnat;
    ip daddr 203.0.113.0/24 snat ip to 203.0.113.7
  }
}
`;
    await applyNft(other);
    setting.context.defer('delete table other', () => applyNft(deleteNftTable('inet', 'other')));
    await applyIp(route('replace', 'eth0', '203.0.113.7/32', { via: '203.0.113.1' }), outside.guest.pid);
    expect(await outside.seenFrom(guest)).toBe('203.0.113.1');
    await setting.network.update({ ...setting.config, 'ipv4.nat.order': 'after' }, ['ipv4.nat.order']);
    expect(await outside.seenFrom(guest)).toBe('203.0.113.7');
  });
});

describe('filter rules', () => {
  it('[06.34 06.48] without routing the instance reaches the host and its neighbours, and nothing beyond', async () => {
    await using place = await start({ 'ipv4.nat': 'true' });
    const { setting, outside, guest } = place;
    const neighbour = await setting.guest('c2');
    const { ip = '' } = await askDhcp(neighbour, setting.context.directory);
    await setting.network.update({ ...setting.config, 'ipv4.routing': 'false' }, ['ipv4.routing']);
    await expect(outside.seenFrom(guest)).rejects.toThrow();
    expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '2', '10.91.7.1')).toBe(true);
    expect(await guest.try('busybox', 'ping', '-c', '1', '-W', '2', ip)).toBe(true);
    await setting.network.update(setting.config, ['ipv4.routing']);
    expect(await outside.seenFrom(guest)).toBe('203.0.113.1');
  });

  it('[06.72 06.73] rules are in a table of the network’s own; others stay as they are', async () => {
    await using place = await start();
    const { spec, network } = place.setting;
    await applyNft('table inet lxd {\n  chain keep {\n    counter accept\n  }\n}\n');
    place.setting.context.defer('delete table lxd', () => applyNft(deleteNftTable('inet', 'lxd')));
    const before = await listNftTable('inet', 'lxd');
    await network.start();
    await network.stop();
    expect(await rulesOf(spec.name)).toBe('[]');
    expect(await listNftTable('inet', 'lxd')).toEqual(before);
  });

  it('[06.74 06.75] without the firewall only what NAT, DHCP and DNS need is left', async () => {
    await using place = await start({ 'ipv4.nat': 'true' });
    const { setting } = place;
    const { network, spec, config } = setting;
    expect(await rulesOf(spec.name)).toContain('"forward"');
    const off = { ...config, 'ipv4.firewall': 'false', 'ipv6.firewall': 'false' };
    await network.update(off, ['ipv4.firewall', 'ipv6.firewall']);
    const rules = await rulesOf(spec.name);
    expect(rules).not.toContain('"forward"');
    expect(rules).toContain('masquerade');
    for (const port of [53, 67, 547]) expect(rules).toContain(`"right":${port}`);
    const silent = { ...off, 'ipv4.dhcp': 'false', 'ipv6.dhcp': 'false' };
    await network.update(silent, ['ipv4.dhcp', 'ipv6.dhcp']);
    expect(await rulesOf(spec.name)).not.toContain('"right":67');
  });

  it('a start restores rules that somebody removed', async () => {
    await using place = await start({ 'ipv4.nat': 'true' });
    const { setting, outside, guest } = place;
    const before = (await rulesOf(setting.spec.name)).replaceAll(/"handle":\d+/g, '');
    await applyNft(deleteNftTable('inet', tableOf(setting.spec.name)));
    await expect(outside.seenFrom(guest)).rejects.toThrow();
    await setting.network.start();
    expect(await outside.seenFrom(guest)).toBe('203.0.113.1');
    expect((await rulesOf(setting.spec.name)).replaceAll(/"handle":\d+/g, '')).toBe(before);
  });
});

import type { Config } from '@lxd-ts/driver-kit';
import { isolateNetwork, startNetwork } from '@lxd-ts/driver-kit/testing';
import { applyIp, readLinkValue, run } from '@lxd-ts/host';
import { beforeEach, describe, expect, it } from 'vitest';
import { bridge } from '../bridge.ts';
import { bridgedNic } from './bridged.ts';
import { parseVlans } from './vlan.ts';

isolateNetwork();

const start = () =>
  startNetwork({ driver: bridge, nic: bridgedNic }, { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': 'none' });

/** Whether this kernel's bridges know VLANs. */
const supported = await (async () => {
  await using setting = await start();
  return readLinkValue(setting.spec.name, 'bridge/vlan_filtering') !== undefined;
})();

it('a VLAN, or an ascending range', () => {
  expect(parseVlans('7')).toEqual({ first: 7, last: 7 });
  expect(parseVlans('7-9')).toEqual({ first: 7, last: 9 });
  for (const bad of ['0', '4095', '9-7', '1-', 'x', '1,2']) expect(() => parseVlans(bad)).toThrow('VLAN');
});

if (!supported)
  it('[03.242] without VLANs in the kernel a NIC that asks for them says so', async () => {
    await using setting = await start();
    for (const config of [{ vlan: '5' }, { vlan: 'none' }, { 'vlan.tagged': '5-6' }]) {
      await expect(setting.guest('c1', config)).rejects.toThrow('CONFIG_BRIDGE_VLAN_FILTERING');
    }
  });

describe('[03.242] VLANs', () => {
  beforeEach(({ skip }) => {
    if (!supported) skip('the kernel has no CONFIG_BRIDGE_VLAN_FILTERING');
  });

  it('NICs of one VLAN reach each other, others and the host do not reach them', async () => {
    await using setting = await start();
    let last = 10;
    const guest = async (name: string, config: Config = {}) => {
      const made = await setting.guest(name, config);
      const address = `10.91.7.${last++}`;
      await made.run('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      return { ...made, address, reaches: (to: string) => made.try('busybox', 'ping', '-c', '1', '-W', '2', to) };
    };
    const [one, two] = [await guest('c1', { vlan: '5' }), await guest('c2', { vlan: '5' })];
    const [other, plain] = [await guest('c3', { vlan: '6' }), await guest('c4')];
    const [trunk, nowhere] = [await guest('c5', { 'vlan.tagged': '5-6,9' }), await guest('c6', { vlan: 'none' })];
    expect(await one.reaches(two.address)).toBe(true);
    expect(await one.reaches(other.address)).toBe(false);
    expect(await one.reaches('10.91.7.1')).toBe(false);
    expect(await plain.reaches('10.91.7.1')).toBe(true);
    expect(await nowhere.reaches('10.91.7.1')).toBe(false);
    // Untagged it is where it would be anyway; tagged in the VLANs it lists.
    expect(await trunk.reaches(plain.address)).toBe(true);
    await applyIp(
      [
        ['addr', 'flush', 'dev', 'eth0'],
        ['link', 'add', 'link', 'eth0', 'name', 'v5', 'type', 'vlan', 'id', '5'],
        ['addr', 'add', `${trunk.address}/24`, 'dev', 'v5'],
        ['link', 'set', 'dev', 'v5', 'up'],
      ],
      trunk.pid,
    );
    expect(await trunk.reaches(one.address)).toBe(true);
    expect(await trunk.reaches(plain.address)).toBe(false);
    expect((await setting.network.state()).bridge).toMatchObject({ vlanFiltering: true, vlanDefault: 1 });
  });

  it('a bridge that nobody manages must filter them', async () => {
    await using setting = await start();
    await run(['ip', 'link', 'add', 'plain0', 'up', 'type', 'bridge']);
    setting.context.defer('delete plain0', () => run(['ip', 'link', 'delete', 'plain0']));
    const config = { network: '', nictype: 'bridged', parent: 'plain0', vlan: '5' };
    await expect(setting.guest('c1', config)).rejects.toThrow('vlan_filtering 1');
    await run(['ip', 'link', 'set', 'plain0', 'type', 'bridge', 'vlan_filtering', '1']);
    await setting.guest('c1', config);
    expect((await run(['bridge', 'vlan', 'show'])).stdout).toMatch(/veth\w+\s+5 PVID Egress Untagged/);
  });
});

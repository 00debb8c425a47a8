import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { addBridge, applyIp, linkExists } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { isKind } from '../../errors.ts';
import { testContext } from '../context.ts';
import { itWhere } from '../it-where.ts';
import { discardLink, hostThings, type NetworkConformanceOptions, networkName, startNetwork } from './suite.ts';

/** Creation, start, change, rename and removal. */
export const lifecycleTests = (options: NetworkConformanceOptions): void => {
  const { driver, config: base = {} } = options;
  const free = { usedSubnets: async () => [] };

  it('the driver says that it works here', async () => {
    await driver.probe();
  });

  it('[06.20] unknown keys and those of other types are refused by name', async () => {
    const name = networkName();
    const config = await driver.fill(name, base, free);
    for (const key of ['no.such.key', options.foreignKey]) {
      expect(() => driver.validate(name, { ...config, [key]: 'x' })).toThrow(`"${key}"`);
    }
    driver.validate(name, { ...config, 'user.note': 'x' });
  });

  itWhere(driver.features.managed)(
    'a name that an interface has already is a conflict, and that interface stays',
    async () => {
      await using context = await testContext('lxd-ts-network');
      const name = networkName();
      context.defer(`delete ${name}`, () => discardLink(name));
      await applyIp(addBridge(name));
      const directory = join(context.directory, name);
      const config = await driver.fill(name, base, free);
      const network = driver.open({ name, project: 'default', config, directory, logs: context.directory });
      await expect(network.create()).rejects.toSatisfy((error) => isKind(error, 'conflict'));
      expect(existsSync(directory)).toBe(false);
      expect(linkExists(name)).toBe(true);
    },
  );

  itWhere(driver.features.managed)(
    '[06.12] creation alone makes no interface; start makes it, stop takes it away',
    async () => {
      await using setting = await startNetwork(options);
      const { network, spec } = setting;
      expect(linkExists(spec.name)).toBe(true);
      await network.stop();
      expect(linkExists(spec.name)).toBe(false);
      await network.delete();
      await network.create();
      expect(linkExists(spec.name)).toBe(false);
      await network.start();
      expect(linkExists(spec.name)).toBe(true);
    },
  );

  it('start is harmless on a running network', async () => {
    await using setting = await startNetwork(options);
    const { network, spec } = setting;
    const before = { things: await hostThings(spec.directory), state: await network.state() };
    await network.start();
    await driver.open(spec).start();
    expect({ things: await hostThings(spec.directory), state: await network.state() }).toEqual(before);
  });

  it('stop and delete succeed on what is not there, and leave nothing', async () => {
    const directory = { path: '' };
    // Before there is a network it has no processes; other programs on the host may name a path that is not there.
    const before = { ...(await hostThings('/nonexistent')), processes: '' };
    {
      await using setting = await startNetwork(options);
      const { network, spec } = setting;
      directory.path = spec.directory;
      await network.stop();
      await network.stop();
      await network.delete();
      await network.delete();
      expect(existsSync(spec.directory)).toBe(false);
      await driver.open(spec).stop();
    }
    expect({ ...(await hostThings(directory.path)), processes: '' }).toEqual(before);
    expect((await hostThings(directory.path)).processes).toBe('');
  });

  it('its state tells addresses, counters and interface', async () => {
    await using setting = await startNetwork(options);
    const state = await setting.network.state();
    expect(state).toMatchObject({
      state: 'up',
      type: 'broadcast',
      hwaddr: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
      mtu: expect.any(Number),
      counters: { bytesReceived: expect.any(Number), packetsSent: expect.any(Number) },
    });
    for (const key of ['ipv4.address', 'ipv6.address']) {
      const value = setting.config[key];
      if (!driver.features.managed || !value?.includes('/')) continue;
      const [address, netmask] = value.split('/');
      const family = key.startsWith('ipv4') ? 'inet' : 'inet6';
      expect(state.addresses).toContainEqual({ family, address, netmask, scope: 'global' });
    }
  });

  it('state and leases start no process', async () => {
    await using setting = await startNetwork(options);
    const path = process.env.PATH;
    process.env.PATH = '/nonexistent';
    try {
      expect((await setting.network.state()).state).toBe('up');
      await setting.network.leases();
    } finally {
      process.env.PATH = path;
    }
  });

  it('a change acts on the running network', async () => {
    await using setting = await startNetwork(options);
    const { network, spec, config } = setting;
    const changed = { ...config, ...options.change };
    driver.validate(spec.name, changed);
    await network.update(changed, Object.keys(options.change));
    const things = await hostThings(spec.directory);
    // What a start makes of the new configuration is what is there already.
    await driver.open({ ...spec, config: changed }).start();
    expect(await hostThings(spec.directory)).toEqual(things);
    await network.update(config, Object.keys(options.change));
  });

  itWhere(options.refused !== undefined)('a change that fails leaves the old configuration in force', async () => {
    await using setting = await startNetwork(options);
    const { network, spec, config } = setting;
    const refused = options.refused ?? {};
    const before = { ...(await hostThings(spec.directory)), state: await network.state() };
    await expect(network.update({ ...config, ...refused }, Object.keys(refused))).rejects.toSatisfy((error) =>
      isKind(error, 'bad-request'),
    );
    const after = { ...(await hostThings(spec.directory)), state: await network.state() };
    expect(after.links).toEqual(before.links);
    expect(after.rules).toEqual(before.rules);
    expect(after.state.addresses).toEqual(before.state.addresses);
    expect(after.processes !== '').toBe(before.processes !== '');
  });

  itWhere(driver.features.managed)('a network can be renamed; it keeps its address and files', async () => {
    await using setting = await startNetwork(options);
    const { network, spec, context } = setting;
    const name = networkName();
    const directory = join(dirname(spec.directory), name);
    const before = await network.state();
    const renamed = driver.open({ ...spec, name, directory });
    context.defer(`remove network ${name}`, async () => {
      await renamed.stop();
      await renamed.delete();
    });
    await network.rename(name);
    await renamed.start();
    expect(linkExists(spec.name)).toBe(false);
    expect(existsSync(spec.directory)).toBe(false);
    expect(await renamed.state()).toMatchObject({
      hwaddr: before.hwaddr,
      addresses: before.addresses,
      mtu: before.mtu,
    });
    expect((await hostThings(spec.directory)).processes).toBe('');
    expect(basename(directory)).toBe(renamed.name);
  });

  itWhere(driver.features.managed)('a name in use is a conflict, and the network goes on under its own', async () => {
    await using setting = await startNetwork(options);
    await using other = await startNetwork(options);
    await expect(setting.network.rename(other.spec.name)).rejects.toSatisfy((error) => isKind(error, 'conflict'));
    expect((await setting.network.state()).state).toBe('up');
    expect((await other.network.state()).state).toBe('up');
  });

  it('NICs inherit the type and the interface', () => {
    const network = driver.open({ name: 'tpreset', project: 'default', config: base, directory: '/x', logs: '/x' });
    expect(network.nicPreset()).toMatchObject({ nictype: options.nic.variant });
  });
};

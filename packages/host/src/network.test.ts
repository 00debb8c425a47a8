import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addAddress,
  addBridge,
  addMacvlan,
  addTap,
  addVeth,
  applyIp,
  deleteAddress,
  deleteLink,
  flushAddresses,
  flushRoutes,
  neighbourProxy,
  route,
  setLink,
} from './ip.ts';
import { listAddresses, listNeighbours, listRoutes } from './net-addresses.ts';
import { type Link, listLinks } from './net-links.ts';
import { freeLinkName, linkExists, randomHwaddr, readLinkValue } from './net-names.ts';
import { inNetNamespace } from './net-namespace.ts';
import {
  applyNft,
  deleteNftChains,
  deleteNftTable,
  listNftTable,
  nftString,
  replaceNftChains,
  replaceNftTable,
} from './nft.ts';
import { run } from './run.ts';
import { getSysctl, setSysctl } from './sysctl.ts';

/** A network namespace of the test's own; everything in it goes with it. */
const name = `hosttest${process.pid}`;
const namespace = `/run/netns/${name}`;
beforeEach(() => {
  execFileSync('ip', ['netns', 'add', name]);
});
afterEach(() => {
  execFileSync('ip', ['netns', 'delete', name]);
});

function link(linkName: string): Link {
  const found = listLinks(namespace).find((each) => each.name === linkName);
  if (!found) throw new Error(`no link ${linkName}`);
  return found;
}

const addresses = (linkName: string) =>
  listAddresses(namespace)
    .filter(({ linkIndex, scope }) => linkIndex === link(linkName).index && scope === 'global')
    .map(({ address, prefixLength }) => `${address}/${prefixLength}`);

describe('links', () => {
  test('a bridge with a veth pair is made in one batch and reads back as set', async () => {
    const address = randomHwaddr();
    await applyIp(
      [
        ...addBridge('br0', { mtu: 1400, up: true }),
        ...addVeth(
          'va',
          { name: 'vb', mtu: 1300, address },
          { mtu: 1300, txQueueLength: 500, master: 'br0', up: true },
        ),
        ...setLink('vb', { up: true, alias: 'other-end' }),
      ],
      namespace,
    );
    expect(link('br0')).toMatchObject({ kind: 'bridge', mtu: 1300, up: true, type: 1 });
    expect(link('va')).toMatchObject({
      kind: 'veth',
      mtu: 1300,
      txQueueLength: 500,
      masterIndex: link('br0').index,
      parentIndex: link('vb').index,
    });
    expect(link('vb')).toMatchObject({ hwaddr: address, alias: 'other-end' });
    // The kernel tells of carriers a moment later (net/core/link_watch.c).
    await expect.poll(() => link('vb').state).toBe('up');
    await applyIp([...setLink('va', { master: null, up: false, name: 'vc' }), ...deleteLink('br0')], namespace);
    expect(link('vc')).toMatchObject({ up: false, masterIndex: undefined });
    expect(listLinks(namespace).map((each) => each.name)).not.toContain('br0');
  });

  test('macvlan and tap', async () => {
    await applyIp(
      [
        ...addVeth('va', { name: 'vb' }),
        ...addMacvlan('mv', 'va', 'bridge', { mtu: 1400, up: true }),
        ...addMacvlan('mt', 'va', 'bridge', { tap: true }),
        ...addTap('tap0', { up: true, multiQueue: true, mtu: 1450 }),
      ],
      namespace,
    );
    expect(link('mv')).toMatchObject({ kind: 'macvlan', parentIndex: link('va').index, mtu: 1400 });
    expect(link('mt').kind).toBe('macvtap');
    expect(link('tap0')).toMatchObject({ kind: 'tun', up: true, mtu: 1450 });
  });

  test('a link can be moved to another namespace', async () => {
    const own = freeLinkName('host');
    await applyIp([...addVeth(own, { name: 'inner', namespace })]);
    try {
      expect(linkExists(own)).toBe(true);
      expect(readLinkValue(own, 'mtu')).toBe('1500');
      expect(readLinkValue(own, 'no_such_value')).toBeUndefined();
      expect(link('inner')).toMatchObject({ kind: 'veth', parentNamespaceId: expect.any(Number) });
      await applyIp(setLink(own, { namespace }));
      expect(linkExists(own)).toBe(false);
      expect(link(own).kind).toBe('veth');
    } finally {
      if (linkExists(own)) await applyIp(deleteLink(own));
    }
  });

  test('the failing command of a batch is named', async () => {
    const commands = [...addBridge('br0'), ...setLink('nothere', { up: true })];
    await expect(applyIp(commands, namespace)).rejects.toThrow(
      'ip link set dev nothere up failed with exit status 1: Cannot find device "nothere"',
    );
    expect(link('br0').kind).toBe('bridge');
  });

  test('a word cannot smuggle in another command', async () => {
    await expect(applyIp(deleteLink('x\nlink delete dev lo'))).rejects.toThrow('cannot be a word of an ip command');
    await expect(applyIp(deleteLink('x #'))).rejects.toThrow('cannot be a word');
  });

  test('hardware addresses and names are random', () => {
    expect(randomHwaddr()).toMatch(/^00:16:3e(:[0-9a-f]{2}){3}$/);
    expect(randomHwaddr('02:00')).toMatch(/^02:00(:[0-9a-f]{2}){4}$/);
    expect(freeLinkName()).toMatch(/^veth[0-9a-f]{8}$/);
    expect(linkExists('lo')).toBe(true);
    expect(linkExists('../lo')).toBe(false);
  });
});

describe('addresses and routes', () => {
  beforeEach(() => applyIp(addBridge('br0', { up: true }), namespace));

  test('addresses of both families are added, listed, deleted and flushed', async () => {
    await applyIp(
      [
        ...addAddress('br0', '10.1.2.1/24', { broadcast: true }),
        ...addAddress('br0', '10.1.3.1/24'),
        ...addAddress('br0', 'fd42:1::1/64', { noDad: true }),
      ],
      namespace,
    );
    expect(addresses('br0')).toEqual(['10.1.2.1/24', '10.1.3.1/24', 'fd42:1::1/64']);
    expect(listAddresses(namespace).find(({ address }) => address === '10.1.2.1')?.broadcast).toBe('10.1.2.255');
    await applyIp(deleteAddress('br0', '10.1.3.1/24'), namespace);
    await applyIp(flushAddresses('br0', 'inet'), namespace);
    expect(addresses('br0')).toEqual(['fd42:1::1/64']);
    await applyIp(flushAddresses('br0', 'inet6'), namespace);
    expect(addresses('br0')).toEqual([]);
  });

  test('routes are added, replaced and flushed by maker', async () => {
    await applyIp(
      [
        ...addAddress('br0', '10.1.2.1/24'),
        ...route('add', 'br0', '10.9.0.0/16', { via: '10.1.2.9', protocol: 'static', metric: 5 }),
        ...route('replace', 'br0', '0.0.0.0/0', { via: '10.1.2.8' }),
        ...route('replace', 'br0', 'fd42:2::/64', { protocol: 'static' }),
      ],
      namespace,
    );
    const find = (wanted: string) => listRoutes(namespace).find(({ destination }) => destination === wanted);
    expect(find('10.9.0.0/16')).toMatchObject({ gateway: '10.1.2.9', metric: 5, protocol: 4, table: 254 });
    expect(find('default')).toMatchObject({ family: 'inet', gateway: '10.1.2.8', linkIndex: link('br0').index });
    expect(find('fd42:2::/64')).toMatchObject({ family: 'inet6' });
    await applyIp(flushRoutes(link('br0'), { protocol: 4, namespace }), namespace);
    expect([find('10.9.0.0/16'), find('fd42:2::/64')]).toEqual([undefined, undefined]);
    expect(find('default')).toBeDefined();
    await applyIp(route('del', 'br0', '0.0.0.0/0'), namespace);
    expect(find('default')).toBeUndefined();
  });

  test('neighbours and proxies', async () => {
    await applyIp(
      [
        ...addAddress('br0', '10.1.2.1/24'),
        ['neigh', 'add', '10.1.2.7', 'lladdr', '00:16:3e:00:00:07', 'dev', 'br0', 'nud', 'reachable'],
        ...neighbourProxy('add', 'br0', '10.1.2.99'),
      ],
      namespace,
    );
    expect(listNeighbours(namespace)).toContainEqual({
      linkIndex: link('br0').index,
      family: 'inet',
      address: '10.1.2.7',
      hwaddr: '00:16:3e:00:00:07',
      valid: true,
    });
    expect(execFileSync('ip', ['-n', name, 'neigh', 'show', 'proxy'], { encoding: 'utf8' })).toContain('10.1.2.99');
  });
});

describe('network namespaces', () => {
  test('after an action, also a failed one, the thread is home again', () => {
    const home = listLinks().map((each) => each.name);
    expect(inNetNamespace(namespace, () => listLinks().map((each) => each.name))).toEqual(['lo']);
    expect(() =>
      inNetNamespace(namespace, () => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(listLinks().map((each) => each.name)).toEqual(home);
    expect(() => listLinks('/run/netns/none')).toThrow('ENOENT');
    expect(() => listLinks('/etc/passwd')).toThrow('EINVAL');
  });

  test('a program can be started in another namespace', async () => {
    const { stdout } = await run(['ip', '-o', 'link'], { netNamespace: namespace });
    expect(stdout.split('\n').filter(Boolean)).toHaveLength(1);
  });

  test('reading all links and addresses of a namespace takes well below 0.3 ms', () => {
    const times = Array.from({ length: 200 }, () => {
      const start = performance.now();
      listLinks(namespace);
      listAddresses(namespace);
      return performance.now() - start;
    });
    // The best round: the others tell how busy the machine is.
    expect(Math.min(...times)).toBeLessThan(0.3);
  });

  test('kernel parameters are read and set', () => {
    inNetNamespace(namespace, () => {
      setSysctl('net/ipv4/conf/lo/forwarding', 1);
      expect(getSysctl('net/ipv4/conf/lo/forwarding')).toBe('1');
      setSysctl('net/ipv4/conf/lo/forwarding', '0');
      expect(getSysctl('net/ipv4/conf/lo/forwarding')).toBe('0');
      expect(() => setSysctl('net/ipv4/conf/lo/forwarding', 'x')).toThrow('EINVAL');
    });
    expect(getSysctl('net/no/such')).toBeUndefined();
    expect(() => setSysctl('net/no/such', 1)).toThrow('ENOENT');
    expect(() => getSysctl('../../etc/passwd')).toThrow('no sysctl path');
  });
});

describe('firewall', () => {
  const table = `hosttest${process.pid}`;
  afterEach(() => applyNft(deleteNftTable('inet', table)));
  const forward = {
    name: 'fwd.br0',
    hook: { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
    rules: [`oifname ${nftString('none0')} jump out.br0`, 'ip daddr @hosts tcp dport { 80, 443 } accept'],
  } as const;
  const jumped = { name: 'out.br0', rules: ['counter drop'] };
  const hosts = { name: 'hosts', type: 'ipv4_addr', flags: ['interval'], elements: ['10.0.0.0/24'] };

  async function count(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const object of (await listNftTable('inet', table)) ?? []) {
      for (const kind of Object.keys(object)) counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }

  test('a table is put in the place of the old one, again and again', async () => {
    const text = replaceNftTable({ family: 'inet', name: table, sets: [hosts], chains: [jumped, forward] });
    await applyNft(text);
    await applyNft(text);
    expect(await count()).toMatchObject({ chain: 2, set: 1, rule: 3 });
    await applyNft(deleteNftTable('inet', table));
    expect(await listNftTable('inet', table)).toBeUndefined();
  });

  test('chains in a shared table come and go beside others', async () => {
    await applyNft(
      replaceNftTable({ family: 'inet', name: table, sets: [hosts], chains: [{ name: 'other', rules: ['accept'] }] }),
    );
    const text = replaceNftChains({ family: 'inet', name: table, chains: [jumped, forward] });
    await applyNft(text);
    await applyNft(text);
    expect(await count()).toMatchObject({ chain: 3, rule: 4 });
    await applyNft(deleteNftChains('inet', table, ['fwd.br0', 'out.br0', 'never-there']));
    expect(await count()).toMatchObject({ chain: 1, rule: 1 });
  });

  test('one bad rule leaves everything as it was', async () => {
    const good = { name: 'good', rules: ['accept'] };
    await applyNft(replaceNftTable({ family: 'inet', name: table, chains: [good] }));
    const bad = replaceNftTable({ family: 'inet', name: table, chains: [{ name: 'bad', rules: ['nonsense'] }] });
    await expect(applyNft(bad)).rejects.toThrow(/^nft failed with exit status 1: .*nonsense/);
    expect((await listNftTable('inet', table))?.some((object) => JSON.stringify(object).includes('"good"'))).toBe(true);
  });

  test('foreign text cannot break out of its place', () => {
    expect(() => nftString('a" accept')).toThrow('cannot be written');
    const chains = [{ name: 'c', rules: ['accept }\n chain x {'] }];
    expect(() => replaceNftTable({ family: 'inet', name: table, chains })).toThrow('is not one nftables rule');
    expect(() => deleteNftTable('inet', 'x; flush ruleset')).toThrow('cannot be the name');
  });
});

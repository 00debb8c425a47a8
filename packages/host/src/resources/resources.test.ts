import { execFileSync } from 'node:child_process';
import { cpus, machine, totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { attachLoop, createSparseFile } from '../loop.ts';
import { inNetNamespace } from '../net-namespace.ts';
import { removeTree } from '../remove-tree.ts';
import { cpuResources } from './cpu.ts';
import { ethtoolPort } from './ethtool.ts';
import { memoryResources, parseMemoryInfo } from './memory.ts';
import { networkResources } from './network.ts';
import { parseVpd } from './pci.ts';
import { hostResources } from './resources.ts';
import { storageResources } from './storage.ts';
import { parseList } from './sysfs.ts';

test('every CPU of the system is found once', () => {
  const { architecture, sockets, total } = cpuResources();
  const threads = sockets.flatMap(({ cores }) => cores.flatMap((core) => core.threads));
  expect(architecture).toBe(machine());
  expect(total).toBe(threads.length);
  expect(threads.filter(({ online }) => online)).toHaveLength(cpus().length);
  expect(new Set(threads.map(({ id }) => id)).size).toBe(total);
  expect(sockets[0]?.name).toBe(cpus()[0]?.model);
});

test('memory is at least what the kernel hands out, and partly used', () => {
  const { total, used, nodes } = memoryResources();
  expect(total).toBeGreaterThanOrEqual(totalmem());
  expect(used).toBeGreaterThan(0);
  expect(used).toBeLessThan(total);
  expect(nodes.reduce((sum, node) => sum + node.total, 0)).toBe(total);
});

test('meminfo lines with and without unit, of the system and of a node', () => {
  const text = 'MemTotal:       2048 kB\nHugePages_Total:    3\nActive(anon):  1 kB\nNode 0 MemUsed:  4 kB\n';
  expect([...parseMemoryInfo(text)]).toEqual([
    ['MemTotal', 2097152],
    ['HugePages_Total', 3],
    ['Active(anon)', 1024],
    ['MemUsed', 4096],
  ]);
});

test('disks have the size that lsblk tells, loop devices are none', async () => {
  const file = `/var/tmp/host-resources-${process.pid}`;
  await createSparseFile(file, 1 << 20);
  try {
    await using loop = await attachLoop(file);
    const { disks, total } = storageResources();
    expect(total).toBe(disks.length);
    expect(disks.map(({ id }) => `/dev/${id}`)).not.toContain(loop.path);
    for (const { id, size, device } of disks) {
      const line = execFileSync('lsblk', ['-bdno', 'SIZE,MAJ:MIN', `/dev/${id}`], { encoding: 'utf8' });
      expect(line.trim().split(/\s+/)).toEqual([`${size}`, device]);
    }
  } finally {
    await removeTree(file);
  }
});

test('a card names its links, virtual links belong to none', () => {
  const links = networkResources().cards.flatMap(({ ports = [] }) => ports.map(({ id }) => id));
  expect(links).not.toContain('lo');
  for (const link of links) expect(execFileSync('ip', ['link', 'show', link], { encoding: 'utf8' })).toContain(link);
});

test('a driver tells what kind of port a link has', () => {
  const namespace = `hostethtool${process.pid}`;
  execFileSync('ip', ['netns', 'add', namespace]);
  try {
    execFileSync('ip', ['-n', namespace, 'link', 'add', 'name', 'va', 'type', 'veth', 'peer', 'name', 'vb']);
    const [veth, none] = inNetNamespace(`/run/netns/${namespace}`, () => [ethtoolPort('va'), ethtoolPort('none')]);
    expect(veth).toEqual({ auto_negotiation: false, port_type: 'twisted pair', transceiver_type: 'internal' });
    expect(none).toBeUndefined();
  } finally {
    execFileSync('ip', ['netns', 'delete', namespace]);
  }
});

test('vital product data is read to its end and no further', () => {
  const entry = (keyword: string, value: string) =>
    Buffer.from(`${keyword}${String.fromCharCode(value.length)}${value}`);
  const resource = (tag: number, data: Buffer) =>
    Buffer.concat([Buffer.of(tag, data.length & 0xff, data.length >> 8), data]);
  const data = Buffer.concat([
    resource(0x82, Buffer.from('Some card')),
    resource(0x90, Buffer.concat([entry('PN', '0T7'), entry('RV', '\x01')])),
    Buffer.of(0x78, 1, 2, 3, 4),
  ]);
  expect(parseVpd(data)).toEqual({ product_name: 'Some card', entries: { PN: '0T7' } });
  expect(parseVpd(data.subarray(0, 20))).toEqual({ product_name: 'Some card' });
  expect(parseVpd(Buffer.alloc(0))).toEqual({});
});

test('lists of ranges', () => {
  expect(parseList('0-2,5,7-7')).toEqual([0, 1, 2, 5, 7]);
  expect(parseList(undefined)).toEqual([]);
});

test('the whole stock is plain data', () => {
  const resources = hostResources();
  expect(JSON.parse(JSON.stringify(resources))).toEqual(resources);
  expect(resources.pci.total).toBe(resources.pci.devices.length);
  expect(['physical', 'virtual-machine', 'container']).toContain(resources.system.type);
});

import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { listNftTable, openListeningSocket, run as runProgram } from '@lxd-ts/host';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createContainer, importBusybox } from '../testing/containers.ts';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

const bridge = `lxdts${process.pid % 100_000}`;
/** A subnet of this run alone. */
const subnet = `10.253.${process.pid % 250}`;
const nic = (config: Record<string, string> = {}) => ({ type: 'nic', network: bridge, ...config });
let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
  await importBusybox(daemon);
  const config = { 'ipv4.address': `${subnet}.1/24`, 'ipv6.address': 'none' };
  await daemon.run('POST', '/1.0/networks', { name: bridge, type: 'bridge', config });
});
afterAll(async () => {
  try {
    const instances = (await daemon.run('GET', '/1.0/instances')) as string[];
    for (const url of instances) {
      await daemon.run('PUT', `${url}/state`, { action: 'stop', force: true }).catch(() => undefined);
      await daemon.run('DELETE', url);
    }
    await daemon.run('DELETE', `/1.0/networks/${bridge}`);
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
});

interface Kept {
  instance: string;
  device: string;
  ipv4?: string;
}
const reservations = (): Kept[] =>
  (JSON.parse(readFileSync(join(daemon.folder, 'networks', bridge, 'reservations.json'), 'utf8')) as Kept[]).map(
    ({ instance, device, ipv4 }) => ({ instance, device, ...(ipv4 ? { ipv4 } : {}) }),
  );

test('a network follows the NICs of instances: made, changed, renamed, removed and deleted, across restarts', async () => {
  const c = await createContainer(daemon, 'nic-1', { devices: { eth0: nic({ 'ipv4.address': `${subnet}.10` }) } });
  await c.start();
  expect(reservations()).toEqual([{ instance: 'nic-1', device: 'eth0', ipv4: `${subnet}.10` }]);
  await c.stop();
  await daemon.restart();
  expect(reservations()).toEqual([{ instance: 'nic-1', device: 'eth0', ipv4: `${subnet}.10` }]);
  await c.patch({ eth0: nic({ 'ipv4.address': `${subnet}.11` }) });
  expect(reservations()).toEqual([{ instance: 'nic-1', device: 'eth0', ipv4: `${subnet}.11` }]);
  await daemon.run('POST', '/1.0/instances/nic-1', { name: 'nic-new' });
  expect(reservations()).toEqual([{ instance: 'nic-new', device: 'eth0', ipv4: `${subnet}.11` }]);
  const url = '/1.0/instances/nic-new';
  await daemon.run('PATCH', url, { devices: { eth0: nic({ 'ipv4.address': 'none' }) } });
  expect(reservations()).toEqual([{ instance: 'nic-new', device: 'eth0' }]);
  await daemon.run('PUT', url, { ...((await daemon.run('GET', url)) as object), devices: {} });
  expect(reservations()).toEqual([]);
  await daemon.run('PATCH', url, { devices: { eth0: { type: 'nic', nictype: 'bridged', parent: bridge } } });
  await daemon.run('PUT', `${url}/state`, { action: 'start' });
  expect(reservations()).toEqual([{ instance: 'nic-new', device: 'eth0' }]);
  await daemon.run('PUT', `${url}/state`, { action: 'stop', force: true });
  await daemon.restart();
  expect(reservations()).toEqual([{ instance: 'nic-new', device: 'eth0' }]);
  await daemon.run('DELETE', url);
  expect(reservations()).toEqual([]);
});

test('an instance has one NIC on a network, and a hot-plugged one gets a name that is free', async () => {
  const c = await createContainer(daemon, 'nic-2', { devices: { aaa: nic() } });
  await c.start();
  await expect(c.patch({ bbb: nic() })).rejects.toThrow(
    `Failed add validation for device "bbb": Instance DNS name already used on network "${bridge}"`,
  );
  const fixed = { 'ipv4.address': `${subnet}.12` };
  await c.put({ aaa: nic(fixed) });
  await c.put({ ccc: nic(fixed) });
  expect(reservations()).toEqual([{ instance: 'nic-2', device: 'ccc', ipv4: `${subnet}.12` }]);
  await c.patch({ bbb: { type: 'nic', nictype: 'p2p' } });
  const links = await c.inNetwork('ip', '-br', 'link');
  expect(links).toMatch(/^eth0@/m);
  expect(links).toMatch(/^eth1@/m);
  await c.stop();
});

test('[03.355 03.356 03.353 03.354] NAT forwards to the static address of the NIC, and only to such', async () => {
  const c = await createContainer(daemon, 'nic-3', { devices: { eth0: nic() } });
  const proxy = (config: Record<string, string>) => ({ type: 'proxy', nat: 'true', ...config });
  const web = proxy({ listen: `tcp:${subnet}.1:18080-18081`, connect: 'tcp:0.0.0.0:80-81' });
  for (const [config, message] of [
    [
      { listen: 'tcp:0.0.0.0:1', connect: 'tcp:0.0.0.0:1' },
      'Cannot listen on wildcard address "0.0.0.0" when in nat mode',
    ],
    [{ listen: `tcp:${subnet}.1:1`, connect: 'udp:0.0.0.0:1' }, 'Proxying tcp <-> udp is not supported when using NAT'],
    [
      { listen: `tcp:${subnet}.1:1`, connect: 'tcp:0.0.0.0:1', bind: 'instance' },
      'Only host-bound proxies can use NAT',
    ],
  ] as const) {
    await expect(c.patch({ web: proxy(config) })).rejects.toThrow(
      `Invalid devices: Device validation failed for "web": ${message}`,
    );
  }
  await c.patch({ web });
  await expect(c.start()).rejects.toThrow('Instance has no static IPv4 address assigned to be used as the connect IP');
  await c.patch({ eth0: nic({ 'ipv4.address': `${subnet}.20`, name: 'own0' }) });
  await c.patch({ web: proxy({ listen: `tcp:${subnet}.1:18080`, connect: `tcp:${subnet}.99:80` }) });
  await expect(c.start()).rejects.toThrow(
    `Connect IP "${subnet}.99" must be one of the instance's static IPv4 addresses`,
  );
  await c.patch({ web });
  await c.start();
  await c.inNetwork('ip', 'addr', 'add', `${subnet}.20/24`, 'dev', 'own0');
  await c.inNetwork('ip', 'link', 'set', 'own0', 'up');
  await c.inNetwork('ip', 'link', 'set', 'lo', 'up');
  const server = createServer((client) => client.end(`81 sees ${client.remoteAddress}`));
  const fd = openListeningSocket({ protocol: 'tcp', host: `${subnet}.20`, port: 81 }, { namespace: await c.pid() });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  try {
    expect(await text(connect(18081, `${subnet}.1`))).toBe(`81 sees ${subnet}.1`);
    await daemon.restart();
    expect(await text(connect(18081, `${subnet}.1`))).toBe(`81 sees ${subnet}.1`);
  } finally {
    server.close();
  }
  const tables = async (): Promise<string[]> =>
    (await runProgram(['nft', 'list', 'tables'])).stdout.split('\n').filter((line) => line.includes('lxdts_proxy_'));
  const mine = await Promise.all((await tables()).map((line) => listNftTable('inet', line.split(' ').at(-1) ?? '')));
  expect(JSON.stringify(mine)).toContain(`${subnet}.20`);
  await c.stop();
  const left = await Promise.all((await tables()).map((line) => listNftTable('inet', line.split(' ').at(-1) ?? '')));
  expect(JSON.stringify(left)).not.toContain(`${subnet}.20`);
});

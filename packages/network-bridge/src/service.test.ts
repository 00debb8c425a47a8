import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isKind } from '@lxd-ts/driver-kit';
import { askDhcp, isolateNetwork, startNetwork, startOutside } from '@lxd-ts/driver-kit/testing';
import { expect, it } from 'vitest';
import { bridge } from './bridge.ts';
import { servicePid } from './dnsmasq.ts';
import { serviceFiles } from './dnsmasq-config.ts';
import { bridgedNic } from './nic/bridged.ts';

isolateNetwork();

const start = (config: Record<string, string> = {}) =>
  startNetwork(
    { driver: bridge, nic: bridgedNic },
    { 'ipv4.address': '10.91.7.1/24', 'ipv6.address': 'fd42:91:7:1::1/64', ...config },
  );

/** Ends a process that is not ours to wait for. */
const kill = async (pid: number): Promise<void> => {
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).toBe('');
};

it('[06.36] each network has a dnsmasq of its own, without privileges, that a new daemon finds again', async () => {
  await using one = await start();
  await using two = await start({ 'ipv4.address': '10.91.8.1/24', 'ipv6.address': 'none' });
  const [pid, other] = [await servicePid(one.spec.directory), await servicePid(two.spec.directory)];
  expect(pid).toEqual(expect.any(Number));
  expect(other).not.toBe(pid);
  expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t65534\t65534/m);
  await bridge.open(one.spec).start();
  expect(await servicePid(one.spec.directory)).toBe(pid);
  for (const setting of [one, two]) {
    const guest = await setting.guest('c1');
    const { router } = await askDhcp(guest, setting.context.directory);
    expect(setting.config['ipv4.address']).toBe(`${router}/24`);
  }
});

it('a start brings back a service that was killed; leases stay', async () => {
  await using setting = await start();
  const { spec, network, context } = setting;
  const guest = await setting.guest('c1');
  const { ip } = await askDhcp(guest, context.directory);
  const pid = (await servicePid(spec.directory)) ?? 0;
  await kill(pid);
  expect(await servicePid(spec.directory)).toBeUndefined();
  await bridge.open(spec).start();
  expect(await servicePid(spec.directory)).not.toBe(pid);
  expect(await network.leases()).toContainEqual(expect.objectContaining({ hostname: 'c1', address: ip }));
  expect((await askDhcp(guest, context.directory)).ip).toBe(ip);
});

it('a process file that names somebody else’s process is not believed', async () => {
  await using setting = await start();
  const { spec, network } = setting;
  const { pid: file } = serviceFiles(spec.directory);
  const own = await readFile(file, 'utf8');
  await writeFile(file, `${process.pid}\n`);
  expect(await servicePid(spec.directory)).toBeUndefined();
  await writeFile(file, own);
  expect(await servicePid(spec.directory)).toBe(Number(own));
  await network.stop();
  expect(await servicePid(spec.directory)).toBeUndefined();
});

it('without addresses there is no service', async () => {
  await using setting = await start({ 'ipv4.address': 'none', 'ipv6.address': 'none' });
  expect(await servicePid(setting.spec.directory)).toBeUndefined();
  expect((await setting.network.state()).state).toBe('up');
  await setting.network.update({ ...setting.config, 'ipv4.address': '10.91.7.1/24' }, ['ipv4.address']);
  expect(await servicePid(setting.spec.directory)).toBeDefined();
});

it('[06.52] raw.dnsmasq is appended; what dnsmasq does not understand is the user’s error and changes nothing', async () => {
  await using setting = await start({ 'raw.dnsmasq': 'address=/raw.example/10.91.7.99\ndhcp-option=42,10.91.7.5' });
  const { network, spec, config, context } = setting;
  const guest = await setting.guest('c1');
  expect(await askDhcp(guest, context.directory, '-O', 'ntpsrv')).toMatchObject({ ntpsrv: '10.91.7.5' });
  expect(await guest.run('busybox', 'nslookup', '-type=a', 'raw.example', '10.91.7.1')).toContain('10.91.7.99');
  const pid = await servicePid(spec.directory);
  const failure = network.update({ ...config, 'raw.dnsmasq': 'nonsense=1' }, ['raw.dnsmasq']);
  await expect(failure).rejects.toSatisfy((error) => isKind(error, 'bad-request'));
  await expect(failure).rejects.toThrow(/"raw.dnsmasq".*bad option/);
  expect(await servicePid(spec.directory)).toBe(pid);
});

it('[06.36 01.185] other names are asked of the host’s name servers', async () => {
  await using setting = await start();
  const { context, network, config } = setting;
  const outside = await startOutside(context);
  const guest = await setting.guest('c1');
  await askDhcp(guest, context.directory);
  // A name server beyond the host, in the place of what /etc/resolv.conf would name.
  await outside.guest.run(
    'dnsmasq',
    '--conf-file=/dev/null',
    `--pid-file=${context.directory}/upstream.pid`,
    '--no-resolv',
    '--no-hosts',
    '--address=/elsewhere.example/198.51.100.7',
  );
  context.defer('end the name server', async () => {
    process.kill(Number(await readFile(`${context.directory}/upstream.pid`, 'utf8')), 'SIGKILL');
  });
  await network.update({ ...config, 'raw.dnsmasq': 'no-resolv\nserver=203.0.113.2' }, ['raw.dnsmasq']);
  expect(await guest.run('busybox', 'nslookup', '-type=a', 'elsewhere.example', '10.91.7.1')).toContain('198.51.100.7');
});

it('a directory that the service cannot enter is named', async () => {
  await using setting = await start();
  const { network, context, spec } = setting;
  await network.stop();
  await chmod(dirname(spec.directory), 0o700);
  await expect(network.start()).rejects.toThrow(`cannot enter ${dirname(spec.directory)}`);
  await expect(network.state()).rejects.toSatisfy((error) => isKind(error, 'not-found'));
  await chmod(dirname(spec.directory), 0o711);
  await network.start();
  expect(context.directory).not.toBe('');
});

it('[06.51] ranges of routers of other networks are not given out', async () => {
  await using setting = await start({
    'ipv4.dhcp.ranges': '10.91.7.10-10.91.7.13',
    'ipv4.ovn.ranges': '10.91.7.10-10.91.7.12',
  });
  const guest = await setting.guest('c1');
  expect((await askDhcp(guest, setting.context.directory)).ip).toBe('10.91.7.13');
});

it('[06.40] subnets that are no /64 have a service as well', async () => {
  await using setting = await start({ 'ipv6.address': 'fd42:91:7:1::1/48' });
  const { network, config, spec } = setting;
  for (const change of [
    { 'ipv6.dhcp.stateful': 'true' },
    { 'ipv6.address': 'fd42:91:7:1::1/80', 'ipv6.dhcp.stateful': 'true' },
    { 'ipv6.address': 'fd42:91:7:1::1/80', 'ipv6.dhcp.stateful': 'false' },
    { 'ipv4.address': '10.91.7.1/32', 'ipv6.address': 'fd42::1/128' },
  ]) {
    await network.update({ ...config, ...change }, Object.keys(change));
    expect(await servicePid(spec.directory)).toBeDefined();
  }
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails, startWithPools } from '../support/pools.ts';

const zeroTime = '0001-01-01T00:00:00Z';
const snapshotShape = z.object({
  name: z.string(),
  architecture: z.string(),
  config: z.record(z.string(), z.string()),
  created_at: z.string(),
  devices: z.record(z.string(), z.record(z.string(), z.string())),
  ephemeral: z.boolean(),
  expanded_config: z.record(z.string(), z.string()),
  expanded_devices: z.record(z.string(), z.record(z.string(), z.string())),
  expires_at: z.string(),
  last_used_at: z.literal(zeroTime),
  profiles: z.array(z.string()),
  stateful: z.boolean(),
  size: z.number(),
});
const instanceShape = z.looseObject({
  status: z.string(),
  config: z.record(z.string(), z.string()),
  devices: z.record(z.string(), z.unknown()),
});

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
const snapshotsOf = async (name: string) =>
  z.array(snapshotShape).parse(await lxd.api('GET', `/1.0/instances/${name}/snapshots?recursion=1`));
const namesOf = async (name: string): Promise<string[]> => (await snapshotsOf(name)).map((one) => one.name);
const instance = async (name: string) => instanceShape.parse(await lxd.api('GET', `/1.0/instances/${name}`));

describe.each(['plain', 'tree'])('in pool %s', (pool) => {
  test('[02.34 02.35 02.39 02.40 02.42 02.45 03.186] a running instance goes back to a snapshot, and runs again', async () => {
    const name = `back-${pool}`;
    await lxc('launch', 'busybox', name, '--storage', pool, '--config', 'user.x=then');
    await lxc('exec', name, '--', 'sh', '-c', 'echo then > /root/state');
    await lxc('snapshot', name, 's0');
    await lxc('exec', name, '--', 'sh', '-c', 'echo now > /root/state');
    await lxc('config', 'set', name, 'user.x=now');
    await lxc('config', 'device', 'add', name, 'extra', 'disk', 'source=/usr', 'path=/mnt');
    const before = await instance(name);
    expect(await lxc('info', name)).toContain('s0');
    expect(await lxc('config', 'show', `${name}/s0`)).toContain('user.x: then');

    await lxc('restore', name, 's0');
    expect(await lxc('exec', name, '--', 'cat', '/root/state')).toBe('then\n');
    const after = await instance(name);
    expect(after.status).toBe('Running');
    expect(after.config['user.x']).toBe('then');
    expect(Object.keys(after.devices)).not.toContain('extra');
    expect(after.config['volatile.uuid']).toBe(before.config['volatile.uuid']);
    expect(after.config['volatile.uuid.generation']).not.toBe(before.config['volatile.uuid.generation']);

    await lxc('rename', `${name}/s0`, `${name}/s1`);
    await lxc('stop', '--force', name);
    await lxc('restore', name, 's1');
    expect((await instance(name)).status).toBe('Stopped');
    await lxc('delete', `${name}/s1`);
    expect(await namesOf(name)).toEqual([]);
    await lxc('delete', name);
  });

  test('[02.19 03.186] snapshots are listed as they were taken, and go with the instance', async () => {
    const name = `list-${pool}`;
    await lxc('init', 'busybox', name, '--storage', pool);
    await lxc('snapshot', name);
    await lxc('config', 'set', name, 'user.later=1');
    await lxc('snapshot', name);
    expect(await namesOf(name)).toEqual(['snap0', 'snap1']);
    const [first, second] = await snapshotsOf(name);
    expect(first?.config['user.later']).toBeUndefined();
    expect(second?.expanded_config['user.later']).toBe('1');
    expect(second?.expanded_devices['root']).toMatchObject({ path: '/', pool });
    const full = z
      .looseObject({ snapshots: z.array(snapshotShape) })
      .parse(await lxd.api('GET', `/1.0/instances/${name}?recursion=1`));
    expect(full.snapshots).toEqual([first, second]);
    await lxc('delete', name);
    await expect(lxd.api('GET', `/1.0/instances/${name}/snapshots`)).rejects.toThrow('not found');
  });
});

test('[03.177 03.178 03.180] patterns name snapshots that are given no name', async () => {
  await lxc('init', 'busybox', 'names');
  await lxc('snapshot', 'names', 'snap5');
  await lxc('snapshot', 'names');
  await lxc('config', 'set', 'names', "snapshots.pattern=at-{{ creation_date|date:'2006-01-02' }}-%d");
  await lxc('snapshot', 'names');
  await lxc('config', 'set', 'names', 'snapshots.pattern=fixed');
  await lxc('snapshot', 'names');
  await lxc('snapshot', 'names');
  const day = new Date();
  const date = [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, '0'));
  expect(await namesOf('names')).toEqual(['snap5', 'snap6', `at-${date.join('-')}-0`, 'fixed', 'fixed-0']);
  await lxc('delete', 'names');
});

test('[02.37 02.41 03.182 03.183 03.185] the expiry is computed, given, edited and lifted; nothing else can be edited', async () => {
  await lxc('init', 'busybox', 'expiry', '--config', 'snapshots.expiry=1H');
  await lxc('snapshot', 'expiry', 'hour');
  await lxc('snapshot', 'expiry', 'never', '--no-expiry');
  const [hour, never] = await snapshotsOf('expiry');
  expect(Date.parse(hour?.expires_at ?? '') - Date.parse(hour?.created_at ?? '')).toBe(3_600_000);
  expect(never?.expires_at).toBe(zeroTime);
  await lxd.api('PATCH', '/1.0/instances/expiry/snapshots/never', { expires_at: '2031-01-01T00:00:00Z', name: 'x' });
  await lxd.api('PUT', '/1.0/instances/expiry/snapshots/hour', { config: { 'user.x': '1' } });
  const [lifted, dated] = await snapshotsOf('expiry');
  expect(Date.parse(dated?.expires_at ?? '')).toBe(Date.UTC(2031, 0, 1));
  expect(lifted).toEqual({ ...hour, expires_at: zeroTime });
  await lxc('delete', 'expiry');
});

test('[03.173 03.181] a schedule of starts takes a snapshot at the start', async () => {
  await lxc('init', 'busybox', 'starts', '--config', 'snapshots.schedule=@startup, @yearly');
  await lxc('start', 'starts');
  expect(await namesOf('starts')).toEqual(['snap0']);
  await lxc('delete', '--force', 'starts');
});

test('[03.172 03.175 03.176 03.184] each minute due snapshots are taken and expired ones deleted', async () => {
  await lxc('init', 'busybox', 'minute', '--config', 'snapshots.schedule=* * * * *');
  await lxc('snapshot', 'minute', 'old');
  await lxd.api('PUT', '/1.0/instances/minute/snapshots/old', { expires_at: '2020-01-01T00:00:00Z' });
  await lxc('init', 'busybox', 'stopped', '--config', 'snapshots.schedule=* * * * *');
  await lxc('config', 'set', 'minute', 'snapshots.schedule.stopped=true');
  const next = 60_000 - (Date.now() % 60_000);
  await new Promise((resolve) => setTimeout(resolve, next + 3000));
  expect(await namesOf('minute')).toEqual(['snap0']);
  expect(await namesOf('stopped')).toEqual([]);
  await lxc('delete', 'minute', 'stopped');
});

test('an instance whose disk is full is configured, and its snapshots are taken and deleted', async () => {
  await lxc('init', 'busybox', 'full', '--storage', 'tree');
  await lxc('config', 'device', 'set', 'full', 'root', 'size=24MiB');
  await lxc('start', 'full');
  const fill = 'dd if=/dev/urandom of=/root/large bs=64k; dd if=/dev/urandom of=/root/small bs=1k; sync';
  await lxc('exec', 'full', '--', 'sh', '-c', `${fill}; test "$(wc -c < /root/large)" -gt 8000000`);
  await lxc('snapshot', 'full', 's0');
  await lxc('config', 'set', 'full', 'user.x=now');
  expect(await namesOf('full')).toEqual(['s0']);
  await lxc('delete', 'full/s0');
  expect(await namesOf('full')).toEqual([]);
  expect(lxd.log()).toContain('No room for backup.yaml');
  await lxc('delete', '--force', 'full');
});

test('what cannot be is refused with a reason', async () => {
  await lxc('init', 'busybox', 'wrong');
  await lxc('snapshot', 'wrong', 'taken');
  expect(await debianLxcFails(lxd, 'snapshot', 'wrong', 'taken')).toContain('already exists');
  expect(await debianLxcFails(lxd, 'snapshot', 'wrong', 'state', '--stateful')).toContain("isn't running");
  expect(await debianLxcFails(lxd, 'restore', 'wrong', 'nothing')).toContain('does not exist');
  await expect(lxd.api('POST', '/1.0/instances/wrong/snapshots', { name: 'a/b' })).rejects.toThrow('Cannot contain');
  await lxc('start', 'wrong');
  expect(await debianLxcFails(lxd, 'snapshot', 'wrong', 'state', '--stateful')).toContain('not supported');
  expect(await namesOf('wrong')).toEqual(['taken']);
  await lxc('delete', '--force', 'wrong');
});

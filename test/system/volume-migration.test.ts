/** Custom volumes between two servers, of which one is ours and the other is LXD 5.0.2 or ours too, by Debian's client. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { farAddress, link, startListening, wasReceived } from '../support/linked.ts';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc, debianLxcFails } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';
import { send } from '../support/rest.ts';

const texts = z.array(z.string());
const operation = z.looseObject({
  operation: z.string(),
  metadata: z.looseObject({ metadata: z.record(z.string(), z.string()) }),
});
const base = (pool: string): string => `/1.0/storage-pools/${pool}/volumes/custom`;

describe.each([
  ['LXD 5.0.2', real],
  ['another one of ours', ours],
])('with %s', (_title, programs) => {
  let near: Lxd;
  let far: Lxd;
  const lxc = (...args: string[]): Promise<string> => debianLxc(near, ...args);
  const files = (lxd: Lxd, pool: string, name: string): string =>
    join(`/proc/${lxd.pid()}/root`, lxd.folder, `storage-pools/${pool}/custom/default_${name}`);
  /** What a volume holds, each with type, mode, owner, size and link, and what is in the file `data`. */
  const contents = (lxd: Lxd, pool: string, name: string): string[] => {
    const cwd = files(lxd, pool, name);
    const found = execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P %y %m %U:%G %l\n'], {
      cwd,
      encoding: 'utf8',
    });
    return [...found.split('\n').sort(), readFileSync(join(cwd, 'data'), 'utf8')];
  };
  const snapshotsOf = async (lxd: Lxd, pool: string, name: string): Promise<string[]> =>
    texts.parse(await lxd.api('GET', `${base(pool)}/${name}/snapshots`)).map((url) => url.split('/').at(-1) ?? '');
  const volumesOf = async (lxd: Lxd, pool: string): Promise<string[]> =>
    texts.parse(await lxd.api('GET', base(pool))).map((url) => url.slice(base(pool).length + 1));

  beforeAll(async () => {
    [near, far] = [await startListening(ours), await startListening(programs)];
    await link(near, far);
    await lxc('remote', 'add', 'far', farAddress, '--password=secret', '--accept-certificate');
    await lxc('storage', 'volume', 'create', 'plain', 'v1', 'user.x=y', 'snapshots.expiry=3d');
    const folder = files(near, 'plain', 'v1');
    writeFileSync(join(folder, 'data'), 'first');
    writeFileSync(join(folder, 'set'), 'x');
    execFileSync('sh', ['-c', 'chown 1000:1001 set; chmod 4751 set; mkfifo pipe; mkdir -p a/b'], { cwd: folder });
    symlinkSync('/etc/shadow', join(folder, 'link'));
    await lxc('storage', 'volume', 'snapshot', 'plain', 'v1', 's0');
    writeFileSync(join(folder, 'data'), 'second');
    rmSync(join(folder, 'set'));
    await lxc('storage', 'volume', 'snapshot', 'plain', 'v1', 's1');
    writeFileSync(join(folder, 'data'), 'third');
  }, 60_000);
  afterAll(async () => {
    await far?.[Symbol.asyncDispose]();
    await near?.[Symbol.asyncDispose]();
  });

  /** Has the snapshot `s0` sent, which Debian's client asks for at a URL that no server has; to ourselves, as a volume in `tree`. */
  const sendSnapshot = async (name: string): Promise<void> => {
    const reply = await send(near.socket, 'POST', base('tree'), { name, source: { type: 'migration', mode: 'push' } });
    const waiting = operation.parse(JSON.parse(reply.body.toString()));
    const server = z.looseObject({ environment: z.looseObject({ certificate: z.string() }) });
    const { certificate } = server.parse(await near.api('GET', '/1.0')).environment;
    const target = {
      operation: `https://192.0.2.1:8443${waiting.operation}`,
      secrets: waiting.metadata.metadata,
      certificate,
    };
    await near.api('POST', `${base('plain')}/v1/snapshots/s0`, { name: 's0', migration: true, target });
    await near.api('GET', `${waiting.operation}/wait`);
  };

  test.each(['pull', 'push', 'relay'])(
    '[05.108 05.109 05.253 05.255 10.MOV-06] with snapshots there and back, mode %s',
    async (mode) => {
      const original = contents(near, 'plain', 'v1');
      await lxc('storage', 'volume', 'copy', 'plain/v1', `far:tree/${mode}`, `--mode=${mode}`);
      expect(await snapshotsOf(far, 'tree', mode)).toEqual(['s0', 's1']);
      expect(contents(far, 'tree', mode)).toEqual(original);
      await lxc('storage', 'volume', 'copy', `far:tree/${mode}`, `plain/back-${mode}`, `--mode=${mode}`);
      expect(contents(near, 'plain', `back-${mode}`)).toEqual(original);
      expect(await near.api('GET', `${base('plain')}/back-${mode}`)).toMatchObject({
        config: { 'user.x': 'y', 'snapshots.expiry': '3d' },
        content_type: 'filesystem',
      });
      const snapshot = z.looseObject({ expires_at: z.string() });
      const expiry = async (name: string) =>
        Math.floor(
          Date.parse(snapshot.parse(await near.api('GET', `${base('plain')}/${name}/snapshots/s0`)).expires_at) / 1000,
        );
      expect(await expiry(`back-${mode}`)).toBe(await expiry('v1'));
      for (const [server, name, pool] of [
        [near, `back-${mode}`, 'plain'],
        [far, mode, 'tree'],
      ] as const) {
        await server.api('PUT', `${base(pool)}/${name}`, { config: {}, restore: 's0' });
        expect(contents(server, pool, name)).toContain('set f 4751 1000:1001 ');
        expect(contents(server, pool, name).at(-1)).toBe('first');
      }
      await lxc('storage', 'volume', 'delete', 'plain', `back-${mode}`);
      await lxc('storage', 'volume', 'delete', 'far:tree', mode);
    },
  );

  test('[05.100 05.102 05.110] without snapshots, of one snapshot, and moved', async () => {
    await lxc('storage', 'volume', 'copy', 'plain/v1', 'far:plain/alone', '--volume-only');
    expect(await snapshotsOf(far, 'plain', 'alone')).toEqual([]);
    await sendSnapshot('then');
    expect(contents(near, 'tree', 'then').at(-1)).toBe('first');
    await lxc('storage', 'volume', 'copy', 'far:plain/alone', 'tree/again');
    await lxc('storage', 'volume', 'move', 'tree/again', 'far:tree/moved');
    await lxc('storage', 'volume', 'delete', 'tree', 'then');
    expect(await volumesOf(near, 'tree')).toEqual([]);
    expect(contents(far, 'tree', 'moved').at(-1)).toBe('third');
    await lxc('storage', 'volume', 'move', 'far:tree/moved', 'tree/moved');
    expect(contents(near, 'tree', 'moved').at(-1)).toBe('third');
    expect(await debianLxcFails(near, 'storage', 'volume', 'copy', 'plain/v1', 'far:plain/alone')).toContain('exists');
    expect(await debianLxcFails(near, 'storage', 'volume', 'copy', 'far:plain/alone', 'tree/moved')).toContain(
      'exists',
    );
    await lxc('storage', 'volume', 'delete', 'tree', 'moved');
    await lxc('storage', 'volume', 'delete', 'far:plain', 'alone');
  });

  test('[05.101 05.164 05.166 05.167 05.237] a copy on the other server is brought up to date', async () => {
    await lxc('storage', 'volume', 'copy', 'plain/v1', 'tree/source');
    await lxc('storage', 'volume', 'copy', 'tree/source', 'far:tree/follower');
    await lxc('storage', 'volume', 'delete', 'tree', 'source/s0');
    writeFileSync(join(files(near, 'tree', 'source'), 'data'), 'fourth');
    await lxc('storage', 'volume', 'snapshot', 'tree', 'source', 's2');
    writeFileSync(join(files(near, 'tree', 'source'), 'data'), 'fifth');
    writeFileSync(join(files(far, 'tree', 'follower'), 'own'), 'gone its own way');
    await lxc('storage', 'volume', 'copy', 'tree/source', 'far:tree/follower', '--refresh');
    expect(await wasReceived(far, 'custom-snapshots/default_follower/s2')).toBe(programs === ours);
    expect((await snapshotsOf(far, 'tree', 'follower')).sort()).toEqual(['s1', 's2']);
    expect(contents(far, 'tree', 'follower')).toEqual(contents(near, 'tree', 'source'));
    await lxc('storage', 'volume', 'delete', 'far:tree', 'follower/s1');
    writeFileSync(join(files(far, 'tree', 'follower'), 'data'), 'the sixth');
    await lxc('storage', 'volume', 'copy', 'far:tree/follower', 'tree/source', '--refresh');
    expect(await snapshotsOf(near, 'tree', 'source')).toEqual(['s2']);
    expect(contents(near, 'tree', 'source').at(-1)).toBe('the sixth');
    await near.api('PUT', `${base('tree')}/source`, { config: {}, restore: 's2' });
    expect(contents(near, 'tree', 'source').at(-1)).toBe('fourth');
    await lxc('storage', 'volume', 'delete', 'tree', 'source');
    await lxc('storage', 'volume', 'delete', 'far:tree', 'follower');
  });

  test('[05.161 05.162 05.285] between servers of ours volumes go in the format of the driver, whatever they hold', async () => {
    await lxc('storage', 'volume', 'copy', 'plain/v1', 'tree/files');
    const disk = { name: 'disk', content_type: 'block', config: { size: '8MiB' } };
    await near.api('POST', base('tree'), disk);
    await lxc('storage', 'volume', 'snapshot', 'tree', 'disk', 's0');
    for (const name of ['files', 'disk']) {
      await lxc('storage', 'volume', 'copy', `tree/${name}`, `far:tree/${name}`);
      await lxc('storage', 'volume', 'copy', `far:tree/${name}`, `tree/${name}-back`);
      expect(await wasReceived(near, `custom-snapshots/default_${name}-back/s0`)).toBe(programs === ours);
      if (name === 'files') expect(contents(near, 'tree', 'files-back')).toEqual(contents(near, 'tree', 'files'));
      // What was received can be written to, and limited.
      const folder = files(near, 'tree', `${name}-back`);
      writeFileSync(join(folder, 'more'), 'written');
      await lxc('storage', 'volume', 'set', 'tree', `${name}-back`, 'size=16MiB');
      await lxc('storage', 'volume', 'delete', 'far:tree', name);
      for (const copy of [name, `${name}-back`]) await lxc('storage', 'volume', 'delete', 'tree', copy);
    }
  });

  const diskIn = (lxd: Lxd, pool: string, name: string): string => join(files(lxd, pool, name), 'root.img');
  /** A disk of an odd size, whose snapshot `s0` holds ones and which itself ends in twos. */
  const makeDisk = async (pool: string, name: string): Promise<void> => {
    await lxc('storage', 'volume', 'create', pool, name, '--type=block', 'size=8388608');
    const disk = diskIn(near, pool, name);
    writeFileSync(disk, Buffer.alloc(100_000, 1), { flag: 'r+' });
    await lxc('storage', 'volume', 'snapshot', pool, name, 's0');
    truncateSync(disk, 8_388_608 - 100_000);
    writeFileSync(disk, Buffer.alloc(100_000, 2), { flag: 'a' });
  };

  test.each(['pull', 'push', 'relay'])(
    '[05.108 05.109] a block volume with a snapshot there and back, mode %s',
    async (mode) => {
      await makeDisk('plain', 'disk');
      const original = readFileSync(diskIn(near, 'plain', 'disk'));
      for (const pool of ['plain', 'tree']) {
        await lxc('storage', 'volume', 'copy', 'plain/disk', `far:${pool}/disk`, `--mode=${mode}`);
        expect(await snapshotsOf(far, pool, 'disk')).toEqual(['s0']);
        expect(readFileSync(diskIn(far, pool, 'disk')).equals(original)).toBe(true);
        await lxc('storage', 'volume', 'copy', `far:${pool}/disk`, `${pool}/back`, `--mode=${mode}`);
        expect(await near.api('GET', `${base(pool)}/back`)).toMatchObject({
          content_type: 'block',
          config: { size: '8388608' },
        });
        expect(readFileSync(diskIn(near, pool, 'back')).equals(original)).toBe(true);
        // What is empty takes no room.
        expect(statSync(diskIn(near, pool, 'back')).blocks * 512).toBeLessThan(2_000_000);
        for (const [server, name] of [
          [near, 'back'],
          [far, 'disk'],
        ] as const) {
          await server.api('PUT', `${base(pool)}/${name}`, { config: { size: '8388608' }, restore: 's0' });
          const turnedBack = readFileSync(diskIn(server, pool, name));
          expect(turnedBack.length).toBe(8_388_608);
          expect(turnedBack.indexOf(2)).toBe(-1);
          expect(turnedBack.lastIndexOf(1)).toBe(99_999);
        }
        await lxc('storage', 'volume', 'delete', pool, 'back');
        await lxc('storage', 'volume', 'delete', `far:${pool}`, 'disk');
      }
      await lxc('storage', 'volume', 'delete', 'plain', 'disk');
    },
  );

  test('[05.101] block volumes are moved, brought up to date, and grow with their source', async () => {
    await makeDisk('plain', 'disk');
    await lxc('storage', 'volume', 'move', 'plain/disk', 'far:tree/disk');
    await lxc('storage', 'volume', 'move', 'far:tree/disk', 'tree/disk');
    expect(readFileSync(diskIn(near, 'tree', 'disk')).lastIndexOf(2)).toBe(8_388_607);
    await lxc('storage', 'volume', 'copy', 'tree/disk', 'far:plain/follower');
    await lxc('storage', 'volume', 'copy', 'far:plain/follower', 'plain/mirror');
    writeFileSync(diskIn(near, 'tree', 'disk'), Buffer.alloc(50_000, 3), { flag: 'r+' });
    await lxc('storage', 'volume', 'snapshot', 'tree', 'disk', 's1');
    await lxc('storage', 'volume', 'copy', 'tree/disk', 'far:plain/follower', '--refresh');
    expect(await snapshotsOf(far, 'plain', 'follower')).toEqual(['s0', 's1']);
    expect(readFileSync(diskIn(far, 'plain', 'follower')).equals(readFileSync(diskIn(near, 'tree', 'disk')))).toBe(
      true,
    );
    await far.api('PATCH', `${base('plain')}/follower`, { config: { size: '12MiB' } });
    await lxc('storage', 'volume', 'copy', 'far:plain/follower', 'plain/mirror', '--refresh');
    expect(readFileSync(diskIn(near, 'plain', 'mirror')).equals(readFileSync(diskIn(far, 'plain', 'follower')))).toBe(
      true,
    );
    expect(statSync(diskIn(near, 'plain', 'mirror')).size).toBe(12 * 1024 ** 2);
    expect(await near.api('GET', `${base('plain')}/mirror`)).toMatchObject({
      config: { size: expect.stringMatching(/^12582912B$|^12MiB$/) },
    });
    // A volume of files and one that is a disk do not become each other.
    await lxc('storage', 'volume', 'create', 'plain', 'files');
    expect(
      await debianLxcFails(near, 'storage', 'volume', 'copy', 'far:plain/follower', 'plain/files', '--refresh'),
    ).toContain('content type');
    for (const name of ['files', 'mirror']) await lxc('storage', 'volume', 'delete', 'plain', name);
    await lxc('storage', 'volume', 'delete', 'tree', 'disk');
    await lxc('storage', 'volume', 'delete', 'far:plain', 'follower');
  });

  // LXD 5.0.2 has no ISO volumes.
  if (programs === ours)
    test('[05.108] an ISO volume there and back', async () => {
      const image = Buffer.alloc(3_000_001, 'a disc');
      const headers = { 'content-type': 'application/octet-stream', 'X-LXD-name': 'disc', 'X-LXD-type': 'iso' };
      await near.api('POST', base('plain'), image, { headers });
      for (const [mode, pool] of [
        ['pull', 'plain'],
        ['push', 'tree'],
        ['relay', 'tree'],
      ] as const) {
        await lxc('storage', 'volume', 'copy', 'plain/disc', `far:${pool}/disc`, `--mode=${mode}`);
        await lxc('storage', 'volume', 'move', `far:${pool}/disc`, `${pool}/back`, `--mode=${mode}`);
        expect(await near.api('GET', `${base(pool)}/back`)).toMatchObject({ content_type: 'iso' });
        expect(readFileSync(join(files(near, pool, 'back'), 'root.iso')).equals(image)).toBe(true);
        await lxc('storage', 'volume', 'delete', pool, 'back');
      }
      await lxc('storage', 'volume', 'delete', 'plain', 'disc');
      expect(await volumesOf(far, 'tree')).toEqual([]);
    });

  test('what cannot be sent is refused, and a receiver that is killed has nothing at its next start', async () => {
    const post = (body: object) =>
      near.api('POST', base('plain'), { name: 'x', source: { type: 'migration', ...body } });
    for (const body of [{}, { operation: 'http://x/1.0/operations/a' }, { operation: 'https://x/1.0/operations/a' }])
      await expect(post(body)).rejects.toMatchObject({ code: 400 });
    await lxc('storage', 'volume', 'copy', 'plain/v1', 'far:plain/v1');
    for (const delay of [20, 60, 100, 150, 220]) {
      const copying = near.lxc(['storage', 'volume', 'copy', 'far:plain/v1', 'tree/v1'], { client: ['/usr/bin/lxc'] });
      await sleep(delay);
      await near.kill();
      await copying;
      await near.start();
      const there = await volumesOf(near, 'tree');
      expect(readdirSync(join(files(near, 'tree', 'v1'), '..')), `after ${delay} ms`).toEqual(
        there.includes('v1') ? ['default_v1'] : [],
      );
      if (there.includes('v1')) await lxc('storage', 'volume', 'delete', 'tree', 'v1');
    }
    await lxc('storage', 'volume', 'delete', 'far:plain', 'v1');
  });
});

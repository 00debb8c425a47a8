import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { PoolSpec, StoragePool, Volume } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { ceph } from '@lxd-ts/storage-ceph';
import { startCluster } from '@lxd-ts/tooling/lab/ceph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MiB = 1024 ** 2;
const OSD_POOL = 'e-disks';

/** What needs no kernel client: disks that are written and read by `rbd` itself. */
describe('disks in an OSD pool', () => {
  let context: TestContext;
  let spec: PoolSpec;
  let pool: StoragePool;
  let count = 0;

  const disk = (parts: Partial<Volume> = {}): Volume => ({
    type: 'custom',
    content: 'block',
    project: 'default',
    name: `d${count++}`,
    config: { size: String(16 * MiB) },
    ...parts,
  });
  const imageOf = ({ type, name, snapshot }: Volume): string =>
    `${OSD_POOL}/${type}_${type === 'custom' ? 'default_' : ''}${name}.block${snapshot === undefined ? '' : `@snapshot_${snapshot}`}`;
  const images = async (): Promise<string[]> =>
    (await run(['rbd', 'ls', OSD_POOL])).stdout.split('\n').filter((name) => name !== '' && !name.startsWith('lxd_'));

  /** Writes a text far inside a disk. */
  const write = async (volume: Volume, text: string, at = 9 * MiB): Promise<void> => {
    const file = join(context.directory, 'diff');
    const number = (value: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes;
    };
    const data = Buffer.alloc(4096, text);
    const record = [Buffer.from('w'), number(at), number(data.length), data];
    const size = [Buffer.from('s'), number(16 * MiB)];
    await writeFile(file, Buffer.concat([Buffer.from('rbd diff v1\n'), ...size, ...record, Buffer.from('e')]));
    await run(['rbd', 'import-diff', '--no-progress', file, imageOf(volume)]);
  };
  const read = async (volume: Volume, at = 9 * MiB): Promise<string> => {
    const file = join(context.directory, 'disk');
    await run(['rm', '-f', file]);
    await run(['rbd', 'export', '--no-progress', imageOf(volume), file]);
    const { stdout } = await run([
      'dd',
      `if=${file}`,
      `skip=${at}`,
      'count=3',
      'iflag=skip_bytes,count_bytes',
      'status=none',
    ]);
    return stdout;
  };
  const discard = async (volume: Volume, ...snapshots: string[]): Promise<void> => {
    for (const snapshot of snapshots) await pool.deleteSnapshot({ ...volume, snapshot });
    await pool.deleteVolume(volume);
  };
  const sent = async (volume: Volume, base?: string): Promise<PassThrough> => {
    const chunks: Buffer[] = [];
    const stream = new PassThrough();
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await pool.send?.(volume, base, stream);
    const copy = new PassThrough();
    copy.end(Buffer.concat(chunks));
    return copy;
  };

  beforeAll(async () => {
    await startCluster();
    context = await testContext('lxd-ts-ceph-disks');
    const home = context.directory;
    const config = { 'ceph.osd.pg_num': '4' };
    const asked = { name: OSD_POOL, path: join(home, 'storage-pools/e'), disks: join(home, 'disks'), config };
    spec = { ...asked, config: await ceph.create(asked) };
    pool = await ceph.open(spec);
  });
  afterAll(async () => {
    await pool?.delete();
    await context?.[Symbol.asyncDispose]();
  });

  it('[05.127 05.208] any snapshot is restored, with the size that the disk has now', async () => {
    const volume = disk();
    await pool.createVolume(volume);
    await write(volume, 'one');
    await pool.createSnapshot({ ...volume, snapshot: 's0' });
    await write(volume, 'two');
    await pool.createSnapshot({ ...volume, snapshot: 's1' });
    await write(volume, 'now');
    await pool.resizeVolume(volume, 24 * MiB);
    await expect(pool.resizeVolume(volume, 16 * MiB)).rejects.toMatchObject({ kind: 'bad-request' });
    await pool.restoreVolume(volume, 's0');
    expect(await read(volume)).toBe('one');
    expect(JSON.parse((await run(['rbd', 'info', '--format', 'json', imageOf(volume)])).stdout).size).toBe(24 * MiB);
    await pool.restoreVolume(volume, 's1');
    expect(await read(volume)).toBe('two');
    await expect(pool.restoreVolume(volume, 'none')).rejects.toMatchObject({ kind: 'not-found' });
    await pool.renameSnapshot({ ...volume, snapshot: 's0' }, 's2');
    await pool.renameVolume(volume, 'renamed');
    expect(await read({ ...volume, name: 'renamed', snapshot: 's2' })).toBe('one');
    await discard({ ...volume, name: 'renamed' }, 's1', 's2');
    expect(await images()).toEqual([]);
  });

  it('[05.99 05.210 05.215] copies with snapshots are right and alone; zombies go with the last clone', async () => {
    const [source, copy, plain, third] = [disk(), disk(), disk(), disk()];
    await pool.createVolume(source);
    await write(source, 'one');
    await pool.createSnapshot({ ...source, snapshot: 's0' });
    await write(source, 'two');
    await pool.createSnapshot({ ...source, snapshot: 's1' });
    await write(source, 'now');
    await pool.copyVolume(copy, source, ['s0', 's1']);
    await pool.copyVolume(plain, source, []);
    await pool.copyVolume(third, { ...copy, snapshot: 's1' }, ['s0']);
    await write(source, 'own');
    await discard(source, 's0', 's1');
    expect(await read({ ...copy, snapshot: 's0' })).toBe('one');
    expect(await read({ ...copy, snapshot: 's1' })).toBe('two');
    expect(await read(copy)).toBe('now');
    expect(await read(plain)).toBe('now');
    expect(await read(third)).toBe('two');
    expect(await read({ ...third, snapshot: 's0' })).toBe('one');
    const found = await pool.listVolumes();
    expect(found.map(({ volume, snapshots }) => `${volume.name} [${snapshots.join(' ')}]`).sort()).toEqual(
      [`${copy.name} [s0 s1]`, `${plain.name} []`, `${third.name} [s0]`].sort(),
    );
    await discard(copy, 's1', 's0');
    expect((await images()).some((name) => name.startsWith('zombie_'))).toBe(true);
    await discard(third, 's0');
    await discard(plain);
    expect(await images()).toEqual([]);
  });

  // On a busy host without KVM each of its commands takes many seconds.
  it('[05.110] chains of clones stay within what the kernel can map', { timeout: 1_800_000 }, async () => {
    let last = disk();
    const all = [last];
    await pool.createVolume(last);
    await write(last, 'one');
    for (let depth = 0; depth < 15; depth++) {
      const next = disk();
      await pool.copyVolume(next, last, []);
      all.push(next);
      last = next;
    }
    let depth = 0;
    for (let image = imageOf(last); ; depth++) {
      const { parent } = JSON.parse((await run(['rbd', 'info', '--format', 'json', image])).stdout);
      if (!parent) break;
      image = `${parent.pool}/${parent.image}`;
    }
    expect(depth).toBeLessThan(14);
    expect(await read(last)).toBe('one');
    for (const volume of all) await pool.deleteVolume(volume);
    expect(await images()).toEqual([]);
  });

  it('[05.161 05.165 05.166 05.167] disks are sent whole and as differences, and a refresh leads back from other ways', async () => {
    const [source, target] = [disk(), disk()];
    await pool.createVolume(source);
    await write(source, 'one');
    await pool.createSnapshot({ ...source, snapshot: 's0' });
    await write(source, 'two');
    await pool.receive?.({ ...target, snapshot: 's0' }, undefined, await sent({ ...source, snapshot: 's0' }));
    await pool.receive?.(target, 's0', await sent(source, 's0'));
    expect(await read(target)).toBe('two');
    expect(await read({ ...target, snapshot: 's0' })).toBe('one');
    // The target goes its own way, and is refreshed.
    await write(target, 'own', 3 * MiB);
    await pool.createSnapshot({ ...source, snapshot: 's1' });
    await write(source, 'end');
    await pool.receive?.({ ...target, snapshot: 's1' }, 's0', await sent({ ...source, snapshot: 's1' }, 's0'));
    expect(await read({ ...target, snapshot: 's1' })).toBe('two');
    expect(await read(target, 3 * MiB)).toBe('own');
    const stream = await sent(source, 's1');
    const cut = new PassThrough();
    cut.end(stream.read().subarray(0, 2000));
    await expect(pool.receive?.(target, 's1', cut)).rejects.toMatchObject({ kind: 'bad-request' });
    expect(await read(target, 3 * MiB)).toBe('own');
    await pool.receive?.(target, 's1', await sent(source, 's1'));
    expect(await read(target)).toBe('end');
    expect(await read(target, 3 * MiB)).toBe('\0\0\0');
    const other = new PassThrough();
    other.end(randomBytes(100));
    await expect(pool.receive?.(disk(), undefined, other)).rejects.toMatchObject({ kind: 'bad-request' });
    await discard(source, 's0', 's1');
    await discard(target, 's0', 's1');
    expect(await images()).toEqual([]);
  });

  it('after kill -9 in the middle a disk is as before or as after, and nothing is left', async () => {
    const [volume, copy] = [disk(), disk()];
    await pool.createVolume(volume);
    for (const [snapshot, text] of [
      ['s0', 'one'],
      ['s1', 'two'],
    ] as const) {
      await write(volume, text);
      await pool.createSnapshot({ ...volume, snapshot });
    }
    const program = `
      import { ceph } from '@lxd-ts/storage-ceph';
      const [spec, volume, copy] = JSON.parse(process.argv[1]);
      const pool = await ceph.open(spec);
      process.stdout.write('ready');
      for (;;) {
        await pool.restoreVolume(volume, 's0');
        await pool.restoreVolume(volume, 's1');
        await pool.copyVolume(copy, volume, ['s0', 's1']);
        for (const snapshot of ['s0', 's1']) await pool.deleteSnapshot({ ...copy, snapshot });
        await pool.deleteVolume(copy);
      }
    `;
    for (let round = 0; round < 8; round++) {
      await pool[Symbol.asyncDispose]();
      const args = ['--conditions=lxd-ts-source', '--input-type=module', '--eval', program];
      const child = spawn(process.execPath, [...args, JSON.stringify([spec, volume, copy])], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const gone = once(child, 'exit');
      await Promise.race([once(child.stdout, 'data'), gone]);
      await setTimeout(round * 150);
      expect(child.exitCode, 'the program works until it is killed').toBeNull();
      child.kill('SIGKILL');
      await gone;
      pool = await ceph.open(spec);
      expect(['one', 'two']).toContain(await read(volume));
      await discard(copy, 's0', 's1');
      expect(await pool.hasVolume(copy)).toBe(false);
      const snapshot = round % 2 === 0 ? 's0' : 's1';
      await pool.restoreVolume(volume, snapshot);
      expect(await read(volume)).toBe(round % 2 === 0 ? 'one' : 'two');
    }
    await discard(volume, 's0', 's1');
    expect(await images()).toEqual([]);
  });
});

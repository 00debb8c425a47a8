import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Config, PoolSpec, StoragePool, Volume } from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { ceph } from '@lxd-ts/storage-ceph';
import { pauseCluster, startCluster } from '@lxd-ts/tooling/lab/ceph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MiB = 1024 ** 2;
const size = String(64 * MiB);

const rbd = async (...args: string[]): Promise<string> => (await run(['rbd', ...args])).stdout;
const imagesIn = async (osdPool: string): Promise<string[]> => (await rbd('ls', osdPool)).split('\n').filter(Boolean);
const osdPools = async (): Promise<string[]> => (await run(['rados', 'lspools'])).stdout.split('\n');

let count = 0;
const newVolume = (parts: Partial<Volume> = {}): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name: `v${count++}`,
  config: { size },
  ...parts,
});

const fileIn = async (pool: StoragePool, volume: Volume): Promise<string> => {
  await using mounted = await pool.mountVolume(volume);
  return await readFile(join(mounted.path, 'f'), 'utf8');
};

describe('pools and images of the ceph driver', () => {
  let context: TestContext;
  const specOf = (name: string, config: Config): PoolSpec => ({
    name,
    path: join(context.directory, 'storage-pools', name),
    disks: join(context.directory, 'disks'),
    config: { 'ceph.osd.pg_num': '4', ...config },
  });
  const made = async (name: string, config: Config): Promise<{ spec: PoolSpec; pool: StoragePool }> => {
    const asked = specOf(name, config);
    const spec = { ...asked, config: await ceph.create(asked) };
    return { spec, pool: await ceph.open(spec) };
  };

  beforeAll(async () => {
    await startCluster();
    context = await testContext('lxd-ts-ceph');
  });
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]();
  });

  it('[05.214 05.217] a new OSD pool has the defaults, is marked, and goes with the storage pool', async () => {
    const { spec, pool } = await made('e-new', {});
    expect(spec.config).toEqual({
      source: 'e-new',
      'ceph.cluster_name': 'ceph',
      'ceph.osd.pg_num': '4',
      'ceph.osd.pool_name': 'e-new',
      'ceph.user.name': 'admin',
      'volatile.pool.pristine': 'true',
    });
    expect(await imagesIn('e-new')).toEqual(['lxd_e-new']);
    await pool.createVolume(newVolume({ name: 'plain' }));
    expect(await imagesIn('e-new')).toContain('custom_default_plain');
    expect(JSON.parse(await rbd('info', '--format', 'json', 'e-new/custom_default_plain'))).toMatchObject({
      size: 64 * MiB,
      features: ['layering'],
    });
    await pool.deleteVolume(newVolume({ name: 'plain' }));
    await pool.delete();
    expect(await osdPools()).not.toContain('e-new');
  });

  it('[05.25 05.212] an existing OSD pool is used, refused to a second user unless told otherwise, and left in the end', async () => {
    await expect(ceph.create(specOf('e-none', { source: 'e-none' }))).rejects.toMatchObject({ kind: 'bad-request' });
    await run(['ceph', 'osd', 'pool', 'create', 'e-there', '4']);
    const { spec, pool } = await made('e-first', { source: 'e-there' });
    expect(spec.config).toMatchObject({ 'volatile.pool.pristine': 'true', 'volatile.initial_source': 'e-there' });
    const second = specOf('e-second', { source: 'e-there' });
    await expect(ceph.create(second)).rejects.toMatchObject({ kind: 'conflict' });
    const forced = { ...second, config: { ...second.config, 'ceph.osd.force_reuse': 'true' } };
    expect(await ceph.create(forced)).toMatchObject({ 'volatile.pool.pristine': 'false' });
    await pool.delete();
    expect(await osdPools()).toContain('e-there');
    expect(await imagesIn('e-there')).toEqual([]);
    await run(['ceph', 'osd', 'pool', 'delete', 'e-there', 'e-there', '--yes-i-really-really-mean-it']);
  });

  it('[05.207 05.213] with a data pool, images keep their data there; xfs and btrfs are mounted beside their snapshots', async () => {
    await run(['ceph', 'osd', 'pool', 'create', 'e-data', '4']);
    await run(['ceph', 'osd', 'pool', 'application', 'enable', 'e-data', 'rbd']);
    const missing = specOf('e-missing', { 'ceph.osd.data_pool_name': 'e-nothing' });
    await expect(ceph.create(missing)).rejects.toThrow('ceph.osd.data_pool_name');
    const { pool } = await made('e-meta', { 'ceph.osd.data_pool_name': 'e-data' });
    for (const kind of ['xfs', 'btrfs']) {
      const config = { size: String(320 * MiB), 'block.filesystem': kind };
      const [volume, copy] = [newVolume({ config }), newVolume({ config })];
      await pool.createVolume(volume, ({ path }) => writeFile(join(path, 'f'), kind));
      expect(JSON.parse(await rbd('info', '--format', 'json', `e-meta/custom_default_${volume.name}`))).toMatchObject({
        data_pool: 'e-data',
      });
      await using mounted = await pool.mountVolume(volume);
      await pool.createSnapshot({ ...volume, snapshot: 's0' });
      await writeFile(join(mounted.path, 'f'), 'later');
      expect(await fileIn(pool, { ...volume, snapshot: 's0' })).toBe(kind);
      await pool.copyVolume(copy, volume, ['s0']);
      expect(await fileIn(pool, copy)).toBe('later');
      expect(await fileIn(pool, { ...copy, snapshot: 's0' })).toBe(kind);
      await mounted[Symbol.asyncDispose]();
      for (const one of [copy, volume]) {
        await pool.deleteSnapshot({ ...one, snapshot: 's0' });
        await pool.deleteVolume(one);
      }
    }
    expect(await imagesIn('e-meta')).toEqual(['lxd_e-meta']);
    await pool.delete();
    await run(['ceph', 'osd', 'pool', 'delete', 'e-data', 'e-data', '--yes-i-really-really-mean-it']);
  });

  it('[05.208 05.210 05.215] what clones are made of becomes a zombie, and goes with the last of them', async () => {
    const { spec, pool } = await made('e-zombies', {});
    const image = newVolume({ type: 'image', name: 'f'.repeat(64) });
    const [one, two] = [newVolume({ type: 'container' }), newVolume({ type: 'container' })];
    const copy = newVolume({ type: 'container' });
    await pool.createVolume(image, ({ path }) => writeFile(join(path, 'f'), 'image'));
    await pool.copyVolume(one, image, []);
    await pool.copyVolume(two, image, []);
    await pool.createSnapshot({ ...one, snapshot: 's0' });
    await pool.copyVolume(copy, { ...one, snapshot: 's0' }, []);
    await pool.deleteVolume(image);
    expect(await pool.hasVolume(image)).toBe(false);
    // The same image can be unpacked again meanwhile.
    await pool.createVolume(image, ({ path }) => writeFile(join(path, 'f'), 'again'));
    await pool.deleteVolume(image);
    await pool.deleteVolume(two);
    await pool.deleteSnapshot({ ...one, snapshot: 's0' });
    await pool.deleteVolume(one);
    const zombies = (await imagesIn('e-zombies')).filter((name) => name.startsWith('zombie_'));
    expect(zombies).toHaveLength(2);
    expect((await pool.listVolumes()).map(({ volume }) => volume.name)).toEqual([copy.name]);
    expect(await fileIn(pool, copy)).toBe('image');
    await pool.deleteVolume(copy);
    expect(await imagesIn('e-zombies')).toEqual([`lxd_${spec.name}`]);

    const full = { ...spec.config, 'ceph.rbd.clone_copy': 'false' };
    await pool.update(full, ['ceph.rbd.clone_copy']);
    const source = newVolume();
    await pool.createVolume(source, ({ path }) => writeFile(join(path, 'f'), 'whole'));
    await pool.copyVolume(copy, source, []);
    await pool.deleteVolume(source);
    expect(await imagesIn('e-zombies')).toEqual([`container_${copy.name}`, `lxd_${spec.name}`]);
    await pool.deleteVolume(copy);
    await pool.delete();
  });

  it('removals that were killed in their middle are ended by the next one, or by the next start', async () => {
    const { spec, pool } = await made('e-cut', {});
    const source = newVolume();
    await pool.createVolume(source);
    /** Makes a copy and begins to remove its image; kills that after so many milliseconds. @returns how long it took, should it have ended */
    const beginRemoval = async (copy: Volume, after?: number): Promise<number> => {
      await pool.copyVolume(copy, source, []);
      const begun = performance.now();
      const child = spawn('rbd', ['rm', '--no-progress', `e-cut/custom_default_${copy.name}`], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await Promise.race([ended, ...(after === undefined ? [] : [setTimeout(after)])]);
      const took = performance.now() - begun;
      child.kill('SIGKILL');
      await ended;
      return took;
    };
    /** What `rbd` names, what is half removed too, and what it has in the trash meanwhile. */
    const rest = async (): Promise<string[]> => [
      ...(await imagesIn('e-cut')).filter((name) => name !== 'lxd_e-cut'),
      ...(await run(['rados', '--pool', 'e-cut', 'listomapkeys', 'rbd_trash'])).stdout.split('\n').filter(Boolean),
    ];
    const copy = newVolume();
    const took = await beginRemoval(copy);
    await pool.deleteVolume(copy);
    const moments = 8;
    for (let moment = 0; moment < moments; moment++) {
      await beginRemoval(copy, (took * (moment + 0.5)) / moments);
      await pool.deleteVolume(copy);
      expect(await rest()).toEqual([`custom_default_${source.name}`]);
      expect((await pool.listVolumes()).map(({ volume }) => volume.name)).toEqual([source.name]);
    }
    for (const moment of [0.4, 0.6, 0.8]) await beginRemoval(newVolume(), took * moment);
    await pool[Symbol.asyncDispose]();
    const taken = await ceph.open(spec);
    // Those whose removal had not really begun are the caller's to delete.
    const lost = async () => {
      const volumes = await taken.listVolumes();
      return (await rest()).filter((name) => !volumes.some(({ volume }) => name === `custom_default_${volume.name}`));
    };
    await expect.poll(lost, { timeout: 240_000, interval: 5000 }).toEqual([]);
    for (const { volume } of await taken.listVolumes()) await taken.deleteVolume(volume);
    // Nor is anything left that the source was kept for.
    expect(await rest()).toEqual([]);
    await taken.delete();
  });

  it('[05.216] what images use that nothing has mounted yet is measured, unless that is switched off', async () => {
    const { spec, pool } = await made('e-measured', {});
    const volume = newVolume();
    await pool.createVolume(volume, ({ path }) => writeFile(join(path, 'f'), Buffer.alloc(8 * MiB, 'x')));
    await pool[Symbol.asyncDispose]();
    const usedAfterOpen = async (du: string, seconds: number): Promise<number | undefined> => {
      await using opened = await ceph.open({ ...spec, config: { ...spec.config, 'ceph.rbd.du': du } });
      // It is measured half a minute later: then it is known, or never.
      for (let round = 0; round < seconds * 2; round++) {
        const usage = await opened.usage(volume);
        if (usage !== undefined) return usage.used;
        await setTimeout(500);
      }
      return undefined;
    };
    expect(await usedAfterOpen('true', 300)).toBeGreaterThan(8 * MiB);
    expect(await usedAfterOpen('false', 60)).toBeUndefined();
    const again = await ceph.open(spec);
    await again.deleteVolume(volume);
    await again.delete();
  });

  it('[05.17 05.272] a cluster that does not answer, or is not there, is told as such', async () => {
    const { spec, pool } = await made('e-dead', {});
    await pool[Symbol.asyncDispose]();
    await expect(ceph.create(specOf('e-x', { 'ceph.cluster_name': 'nowhere' }))).rejects.toThrow('ceph.cluster_name');
    await expect(ceph.open({ ...spec, config: { ...spec.config, 'ceph.user.name': 'nobody' } })).rejects.toMatchObject({
      kind: 'unavailable',
    });
    const program = `
      import { ceph } from '@lxd-ts/storage-ceph';
      const error = await ceph.open(JSON.parse(process.argv[1])).catch((error) => error);
      console.log(error.kind, error.message);
      process.exit();
    `;
    {
      await using _ = await pauseCluster();
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--conditions=lxd-ts-source', '--input-type=module', '--eval', program, JSON.stringify(spec)],
        { cwd: import.meta.dirname, env: { ...process.env, LXD_TS_CEPH_TIMEOUT: '15' } },
      );
      expect(stdout).toMatch(/^unavailable Ceph cluster "ceph" did not answer/);
    }
    const again = await ceph.open(spec);
    await again.delete();
  });
});

/** Pools without room: what is told, what stays, and that all works again when there is room. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoragePool, Volume } from '@lxd-ts/driver-kit';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { expect, it } from 'vitest';
import { create, GiB, givenGroup, MiB, opened, read, refused, specIn, volume, write } from './testing/pools.ts';

const noRoom = 'No space left';
const named = (name: string, size: number): Volume => ({ ...volume, name, config: { size: String(size) } });

/** Writes more than there is room for, as a program does that wants it on the disk. */
const overfill = async (directory: string, mebibytes: number): Promise<void> => {
  const dd = ['dd', 'if=/dev/urandom', `of=${join(directory, 'big')}`, 'bs=1M', `count=${mebibytes}`] as const;
  await expect(run([...dd, 'conv=fsync', 'status=none'])).rejects.toThrow(/No space left|Input\/output error/);
};

/** What takes space is refused with a sentence, and leaves nothing. */
const expectNoRoom = async (pool: StoragePool, of: Volume): Promise<void> => {
  const other = { ...of, name: 'other' };
  await refused(pool.createVolume(other), 'conflict', noRoom);
  await refused(pool.copyVolume(other, of, []), 'conflict', noRoom);
  await refused(pool.copyVolume(other, of, ['s0']), 'conflict', noRoom);
  expect(await pool.hasVolume(other)).toBe(false);
  expect(await pool.hasVolume({ ...other, snapshot: 's0' })).toBe(false);
  await refused(pool.createSnapshot({ ...of, snapshot: 's1' }), 'conflict', noRoom);
  expect(await pool.hasVolume({ ...of, snapshot: 's1' })).toBe(false);
  await refused(pool.restoreVolume(of, 's0'), 'conflict', noRoom);
};

it('[05.247] a thin pool that runs full: writers are told at once, what was synced stays, and with room all goes on', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const pool = await opened(context, await create(specIn(context, { size: '256MiB' })));
  const [calm, greedy] = [named('calm', 64 * MiB), named('greedy', GiB)];
  await pool.createVolume(calm, ({ path }) => writeFile(join(path, 'f'), 'snapshot'));
  await pool.createSnapshot({ ...calm, snapshot: 's0' });
  await write(pool, calm, 'now');
  await pool.createVolume(greedy, ({ path }) => writeFile(join(path, 'f'), 'synced before'));
  {
    await using mounted = await pool.mountVolume(greedy);
    const started = Date.now();
    await overfill(mounted.path, 320);
    // The kernel's own waiting for room would be 60 seconds after the last write.
    expect(Date.now() - started).toBeLessThan(300_000);
  }
  const { space } = await pool.resources();
  expect(space.used).toBe(space.total);
  await expectNoRoom(pool, calm);
  expect(await read(pool, { ...calm, snapshot: 's0' })).toBe('snapshot');
  // What is read needs no room, even where the file system was cut short.
  expect(await read(pool, greedy)).toBe('synced before');

  const spare = named('spare', 64 * MiB);
  await pool.deleteSnapshot({ ...calm, snapshot: 's0' });
  {
    await using mounted = await pool.mountVolume(greedy);
    await rm(join(mounted.path, 'big'), { force: true });
    await run(['sync', '--file-system', mounted.path]);
    await run(['fstrim', mounted.path]);
  }
  expect((await pool.resources()).space.used).toBeLessThan(space.total * 0.75);
  expect(await read(pool, calm)).toBe('now');
  await pool.createVolume(spare);
  await write(pool, greedy, 'goes on');
  await pool.createSnapshot({ ...greedy, snapshot: 's0' });
  expect(await read(pool, { ...greedy, snapshot: 's0' })).toBe('goes on');
});

it('[05.184 05.247] a thick group that is full: what has no room is refused, what is there stays, and with room all goes on', async () => {
  await using context = await testContext('lxd-ts-lvm');
  const source = await givenGroup(context);
  const pool = await opened(context, await create(specIn(context, { source, 'lvm.use_thinpool': 'false' })));
  const [calm, greedy] = [named('calm', 128 * MiB), named('greedy', 160 * MiB)];
  await pool.createVolume(calm, ({ path }) => writeFile(join(path, 'f'), 'snapshot'));
  await pool.createSnapshot({ ...calm, snapshot: 's0' });
  await write(pool, calm, 'now');
  await pool.createVolume(greedy, ({ path }) => writeFile(join(path, 'f'), 'synced before'));
  {
    await using mounted = await pool.mountVolume(greedy);
    await overfill(mounted.path, 200);
  }
  const before = await pool.resources();
  await expectNoRoom(pool, calm);
  await refused(pool.resizeVolume(greedy, 400 * MiB), 'conflict', noRoom);
  expect((await pool.usage(greedy))?.total).toBe(160 * MiB);
  expect(await pool.resources()).toEqual(before);
  expect(await read(pool, calm)).toBe('now');
  expect(await read(pool, { ...calm, snapshot: 's0' })).toBe('snapshot');
  expect(await read(pool, greedy)).toBe('synced before');

  await pool.deleteVolume(greedy);
  await pool.restoreVolume(calm, 's0');
  expect(await read(pool, calm)).toBe('snapshot');
  await pool.createSnapshot({ ...calm, snapshot: 's1' });
});

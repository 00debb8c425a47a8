/** What the tests of the driver share: pools, groups and volumes that go away with their context. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, type ErrorKind, isKind, type PoolSpec, type StoragePool, type Volume } from '@lxd-ts/driver-kit';
import type { TestContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { lvm } from '@lxd-ts/storage-lvm';
import { expect } from 'vitest';

export const MiB: number = 1024 ** 2;
export const GiB: number = 1024 ** 3;

let count = 0;
/** Volume groups belong to the whole host: names of our own. */
export const groupName = (): string => `lxd-ts-${process.pid}-${count++}`;

export const specIn = ({ directory }: TestContext, config: Config = {}): PoolSpec => ({
  name: groupName(),
  config,
  path: join(directory, `storage-pools/${count}`),
  disks: join(directory, 'disks'),
});

export const create = async (spec: PoolSpec): Promise<PoolSpec> => ({ ...spec, config: await lvm.create(spec) });

/** Opens a pool that is deleted with the context, with what is left in it. */
export const opened = async (context: TestContext, spec: PoolSpec): Promise<StoragePool> => {
  const pool = await lvm.open(spec);
  context.defer('delete the pool', async () => {
    for (const { volume: found, snapshots } of await pool.listVolumes()) {
      for (const snapshot of snapshots) await pool.deleteSnapshot({ ...found, snapshot });
      await pool.deleteVolume(found);
    }
    await pool.delete();
  });
  return pool;
};

/** A volume group on loop devices of its own. */
export const givenGroup = async (context: TestContext, devices = 1): Promise<string> => {
  const name = groupName();
  const paths: string[] = [];
  for (let at = 0; at < devices; at++) paths.push(await context.blockDevice(512 * MiB));
  await run(['vgcreate', name, ...paths]);
  context.defer(`remove ${name}`, async () => {
    if ((await lines('vgs', 'vg_name')).includes(name)) await run(['vgremove', '--force', '--yes', name]);
  });
  return name;
};

/** One line of a report per row. */
export const lines = async (program: 'lvs' | 'vgs', fields: string, ...args: string[]): Promise<string[]> => {
  const { stdout } = await run([program, '--noheadings', '--separator', ' ', '-o', fields, ...args]);
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
};

export const refused = async (work: Promise<unknown>, kind: ErrorKind, text: string): Promise<void> => {
  const error = await work.catch((reason: unknown) => reason);
  expect(isKind(error, kind) ? error.message : `${kind} expected, got ${error}`).toContain(text);
};

export const volume: Volume = {
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name: 'v',
  config: { size: '64MiB' },
};
export const read = async (pool: StoragePool, of: Volume): Promise<string> => {
  await using mounted = await pool.mountVolume(of);
  return await readFile(join(mounted.path, 'f'), 'utf8');
};
export const write = async (pool: StoragePool, of: Volume, text: string): Promise<void> => {
  await using mounted = await pool.mountVolume(of);
  await writeFile(join(mounted.path, 'f'), text);
};

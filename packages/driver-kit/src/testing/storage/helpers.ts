import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type ErrorKind, LxdError } from '../../errors.ts';
import type { Fill, StoragePool, Volume } from '../../storage/contract.ts';

export const MiB: number = 1024 ** 2;

/** Fills a volume with one file `name`. */
export const fileFill =
  (name: string, content: string | Uint8Array): Fill =>
  async ({ path }) => {
    await writeFile(join(path, name), content);
  };

/** Runs a function with the volume mounted. */
export const mounted = async <T>(
  pool: StoragePool,
  volume: Volume,
  use: (path: string, disk: string) => Promise<T>,
): Promise<T> => {
  await using mount = await pool.mountVolume(volume);
  return await use(mount.path, mount.disk ?? '');
};

export const writeIn = (pool: StoragePool, volume: Volume, name: string, content: string | Uint8Array): Promise<void> =>
  mounted(pool, volume, (path) => writeFile(join(path, name), content));

export const readIn = (pool: StoragePool, volume: Volume, name: string): Promise<string> =>
  mounted(pool, volume, (path) => readFile(join(path, name), 'utf8'));

export const inSnapshot = (volume: Volume, snapshot: string): Volume => ({ ...volume, snapshot });

/** Expects a rejection by an LxdError of one of the kinds. */
export const expectKind = async (work: Promise<unknown>, ...kinds: ErrorKind[]): Promise<LxdError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, `an error of kind ${kinds.join(' or ')}`).toBeInstanceOf(LxdError);
  if (!(error instanceof LxdError)) throw new TypeError('unreachable');
  expect(kinds).toContain(error.kind);
  expect(error.message).not.toBe('');
  return error;
};

/** Deletes a volume with the snapshots named, as the service does. */
export const discard = async (pool: StoragePool, volume: Volume, ...snapshots: string[]): Promise<void> => {
  for (const snapshot of snapshots) await pool.deleteSnapshot(inSnapshot(volume, snapshot));
  await pool.deleteVolume(volume);
};

/** The volumes on disk as short texts: `custom default/v1 [s0 s1]`. */
export const listed = async (pool: StoragePool): Promise<string[]> =>
  (await pool.listVolumes())
    .map(({ volume, snapshots }) => `${volume.type} ${volume.project}/${volume.name} [${snapshots.join(' ')}]`)
    .sort();

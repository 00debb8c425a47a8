/** Optimised transfer between pools: `zfs send` and `zfs receive`. */
import type { Readable, Writable } from 'node:stream';
import {
  badRequest,
  conflict,
  describeVolume,
  notFound,
  parentOf,
  type SnapshotId,
  UndoStack,
  type Volume,
  type Work,
} from '@lxd-ts/driver-kit';
import { rows, zfs } from './commands.ts';
import type { PoolContext } from './context.ts';
import { destroyDataset, destroySnapshot } from './destroy.ts';
import { nameOf, typeOf } from './mounts.ts';
import { hiddenLabel, type Part, partsOf, snapshotLabel, splitSnapshot, userSnapshot } from './names.ts';
import { copyProperties } from './properties.ts';
import { takeSnapshot } from './snapshots.ts';
import { byteReader, joinParts, splitParts, streamType } from './stream-format.ts';
import { receiveBytes, sendBytes, writeAll } from './streams.ts';
import { aboutVolume } from './volumes.ts';

/** Writes a volume or snapshot; see the contract. */
export const sendVolume = async (
  pool: PoolContext,
  volume: Volume,
  base: string | undefined,
  to: Writable,
  work?: Work,
): Promise<void> => {
  const parts = partsOf(pool.root, volume);
  const label = volume.snapshot === undefined ? hiddenLabel('migration') : snapshotLabel(volume.snapshot);
  try {
    if (volume.snapshot === undefined) await takeSnapshot(pool, volume, label);
    try {
      const streams = parts.map(({ dataset }) =>
        sendBytes(
          {
            snapshot: `${dataset}@${label}`,
            base: base === undefined ? undefined : `${dataset}@${snapshotLabel(base)}`,
          },
          work,
        ),
      );
      await writeAll(joinParts(streams), to);
    } finally {
      if (volume.snapshot === undefined) for (const { dataset } of parts) await destroySnapshot(`${dataset}@${label}`);
    }
  } catch (error) {
    throw aboutVolume(volume, error);
  }
};

const receivePart = async (
  volume: Volume,
  part: Part,
  isFirst: boolean,
  label: string,
  bytes: AsyncIterable<Buffer>,
  work: Work | undefined,
): Promise<void> => {
  await using reader = byteReader(bytes);
  const type = streamType(await reader.peek(64));
  if (type === undefined) throw badRequest('The stream is none that ZFS can receive');
  if (part.kind === 'disk' && type !== 'volume') throw badRequest('The stream holds files, not a disk');
  // Files may come in a dataset or on a disk, whatever this volume would have been made as.
  const kind = part.kind === 'disk' ? 'disk' : type === 'volume' ? 'formatted' : 'dataset';
  await receiveBytes(reader.rest(), `${part.dataset}@${label}`, isFirst ? copyProperties(kind, volume) : [], work);
};

/** Makes a volume or snapshot of what `sendVolume` wrote; see the contract. */
export const receiveVolume = async (
  pool: PoolContext,
  volume: Volume,
  base: string | undefined,
  from: Readable,
  work?: Work,
): Promise<void> => {
  const { root, space } = pool;
  const parts = partsOf(root, volume);
  const isSnapshot = volume.snapshot !== undefined;
  const label = isSnapshot ? snapshotLabel(volume.snapshot ?? '') : hiddenLabel('migration');
  await using undo = new UndoStack();
  for (const part of parts) {
    const found = await typeOf(base === undefined ? part.dataset : `${part.dataset}@${snapshotLabel(base)}`);
    if (base === undefined && found !== undefined) throw conflict(`${describeVolume(volume)} exists already`);
    if (base !== undefined && found === undefined) throw notFound(`Snapshot "${base}" is not there`);
    if (isSnapshot && (await typeOf(nameOf(volume, part))) !== undefined) {
      throw conflict(`${describeVolume(volume)} exists already`);
    }
  }
  await pool.mounts.forget(volume);
  undo.add('remove what was received', async () => {
    for (const { dataset } of parts) {
      if (base === undefined) await destroyDataset(root, dataset);
      else await destroySnapshot(`${dataset}@${label}`);
    }
  });
  await splitParts(from, parts.length, async (bytes, at) => {
    const part = parts[at];
    if (part) await receivePart(volume, part, base === undefined, label, bytes, work);
  });
  if (!isSnapshot) {
    for (const part of parts) {
      // The snapshots before came without limits of this volume's own.
      const properties = base !== undefined && part.kind === 'dataset' ? copyProperties(part.kind, volume) : [];
      if (properties.length > 0 && (await typeOf(part.dataset)) === 'filesystem') {
        await zfs(['set', ...properties, part.dataset]);
      }
      await destroySnapshot(`${part.dataset}@${label}`);
    }
  }
  space.changed(...parts.map(({ dataset }) => dataset));
  undo.commit();
};

/** Ids of the snapshots of a volume; see the contract. */
export const snapshotIds = async ({ root }: PoolContext, volume: Volume): Promise<SnapshotId[]> => {
  const ids = new Map<string, SnapshotId>();
  for (const { dataset } of partsOf(root, parentOf(volume))) {
    const columns = ['-s', 'createtxg', '-o', 'name,guid', dataset];
    const found = rows(await zfs(['list', '-H', '-p', '-d', '1', '-t', 'snapshot', ...columns]));
    for (const [at, [name = '', guid = '']] of found.entries()) {
      const snapshot = userSnapshot(splitSnapshot(name).label);
      if (snapshot === undefined) continue;
      const { id, isBase } = ids.get(snapshot) ?? { id: '', isBase: true };
      // ZFS receives onto the newest alone, be it one that nobody but the driver sees.
      ids.set(snapshot, { snapshot, id: `${id}${guid} `, isBase: isBase && at === found.length - 1 });
    }
  }
  return [...ids.values()];
};

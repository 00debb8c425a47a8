/** Copies within a pool: clones where that can be, `zfs send` and `zfs receive` where snapshots come along. */
import {
  badRequest,
  copyTree,
  describeVolume,
  growFilesystem,
  newFilesystemUuid,
  notFound,
  parentOf,
  readSuperblock,
  shrinkFilesystem,
  UndoStack,
  type Volume,
  volumeSize,
  type Work,
} from '@lxd-ts/driver-kit';
import { rows, unless, zfs } from './commands.ts';
import type { PoolContext } from './context.ts';
import { destroyDataset, destroyWithClones } from './destroy.ts';
import {
  hiddenLabel,
  imageSnapshot,
  type Part,
  type PartKind,
  partsOf,
  snapshotLabel,
  splitSnapshot,
} from './names.ts';
import { asOptions, copyProperties, diskSize } from './properties.ts';
import { createSnapshot, takeSnapshot } from './snapshots.ts';
import { transfer } from './streams.ts';
import { aboutVolume, createVolume, deleteVolume } from './volumes.ts';

/** What is known of a snapshot that is copied. */
interface Source {
  readonly kind: PartKind;
  readonly referenced: number;
  readonly volsize: number;
  /** The snapshots that its dataset goes back to, the nearest first; the last is that of an image, if any. */
  readonly origin: string | undefined;
}

const tooLarge = (target: Volume, size: number, source: number): Error =>
  badRequest(`${describeVolume(target)} of ${size} bytes is too small for its source, which has ${source}`);

/** Looks at the parts of a source, all in one call. */
const lookAt = async (volume: Volume, parts: readonly Part[], labels: readonly string[]): Promise<Source[]> => {
  const names = parts.flatMap(({ dataset }) => [dataset, ...labels.map((label) => `${dataset}@${label}`)]);
  const output = await unless('missing', () =>
    zfs(['list', '-H', '-p', '-t', 'all', '-o', 'name,type,referenced,volsize,origin', ...names]),
  );
  if (output === undefined) throw notFound(`${describeVolume(volume)} is not there, or one of its snapshots`);
  const listed = new Map(rows(output).map(([name = '', ...values]) => [name, values]));
  return parts.map(({ dataset, kind }) => {
    const [type, , volsize = '0', origin = '-'] = listed.get(dataset) ?? [];
    const [, referenced = '0'] = listed.get(`${dataset}@${labels.at(-1)}`) ?? [];
    return {
      kind: kind === 'disk' ? 'disk' : type === 'volume' ? 'formatted' : 'dataset',
      referenced: Number(referenced),
      volsize: volsize === '-' ? 0 : Number(volsize),
      origin: origin === '-' ? undefined : origin,
    };
  });
};

/** The image from which a dataset was cloned in the end, or the first thing it was a clone of. */
const initialImage = async (root: string, origin: string | undefined): Promise<string | undefined> => {
  if (origin === undefined || splitSnapshot(origin).label === imageSnapshot) return origin;
  const before = (await zfs(['get', '-H', '-o', 'value', 'origin', splitSnapshot(origin).dataset])).trim();
  return before === '-' ? origin : initialImage(root, before);
};

/** Checks what can be known of the sizes beforehand. */
const checkSizes = (target: Volume, sources: readonly Source[]): void => {
  const size = volumeSize(target);
  if (size === undefined) return;
  for (const { kind, referenced, volsize } of sources) {
    if (kind === 'dataset' && target.content === 'filesystem' && referenced > size)
      throw tooLarge(target, size, referenced);
    if (kind === 'disk' && volsize > diskSize(target, size)) throw tooLarge(target, size, volsize);
  }
};

/** Gives a copied disk its own size, and a file system on it the identity it needs. */
const settleDisk = async (pool: PoolContext, target: Volume, { dataset }: Part, source: Source): Promise<void> => {
  const size = volumeSize(target);
  const wanted = size === undefined ? source.volsize : diskSize(target, size);
  if (source.kind === 'disk') {
    if (wanted > source.volsize) await zfs(['set', `volsize=${wanted}`, dataset]);
    return;
  }
  await using disk = await pool.disks.device(dataset);
  // The kernel tells file systems of this kind apart by their UUID alone.
  if ((await readSuperblock(disk.path))?.kind === 'btrfs') await newFilesystemUuid(disk.path);
  if (wanted < source.volsize) await shrinkFilesystem(disk.path, wanted);
  if (wanted !== source.volsize) await zfs(['set', `volsize=${wanted}`, dataset]);
  if (wanted > source.volsize) await growFilesystem(disk.path);
};

/** Copies files where the source keeps them in another way than the target is to. */
const copyFiles = async (
  pool: PoolContext,
  target: Volume,
  source: Volume,
  snapshots: readonly string[],
  work: Work,
): Promise<void> => {
  const filled = async (from: Volume): Promise<void> => {
    await using mounted = await pool.mounts.mountVolume(from);
    await using copied = await pool.mounts.mountVolume(target);
    await copyTree(mounted.path, copied.path, { ...work, refresh: true });
  };
  for (const snapshot of snapshots) {
    await filled({ ...source, snapshot });
    await createSnapshot(pool, { ...target, snapshot });
  }
  await filled(source);
};

/** Makes a volume a copy of another; see the contract. */
export const copyVolume = async (
  pool: PoolContext,
  target: Volume,
  source: Volume,
  snapshots: readonly string[],
  work: Work = {},
): Promise<void> => {
  work.signal?.throwIfAborted();
  const { root, space } = pool;
  const [from, to] = [partsOf(root, source), partsOf(root, target)];
  const fixed =
    source.type === 'image'
      ? imageSnapshot
      : source.snapshot === undefined
        ? undefined
        : snapshotLabel(source.snapshot);
  const last = fixed ?? hiddenLabel('copy');
  const labels = [...snapshots.map(snapshotLabel), last];
  await using undo = new UndoStack();
  if (fixed === undefined) {
    try {
      await takeSnapshot(pool, parentOf(source), last);
    } catch (error) {
      throw aboutVolume(source, error);
    }
  }
  try {
    const sources = await lookAt(source, from, labels);
    if (sources[0]?.kind !== to[0].kind && target.content === 'filesystem') {
      undo.add('remove the copy', () => deleteVolume(pool, target));
      await createVolume(pool, target, undefined, work);
      await copyFiles(pool, target, source, snapshots, work);
    } else {
      checkSizes(target, sources);
      const mode = pool.config()['zfs.clone_copy'] || 'true';
      const clones = source.type === 'image' || (snapshots.length === 0 && mode === 'true');
      for (const [at, part] of to.entries()) {
        const [one, dataset] = [sources[at], from[at]?.dataset ?? ''];
        if (!one) throw badRequest(`${describeVolume(source)} cannot be copied to a volume of another kind`);
        const properties = copyProperties(one.kind, target);
        const begun = async (step: () => Promise<unknown>): Promise<void> => {
          try {
            await step();
          } catch (error) {
            throw aboutVolume(target, error);
          }
          undo.add(`delete ${part.dataset}`, () => destroyDataset(root, part.dataset));
        };
        if (clones) {
          await begun(() => zfs(['clone', ...asOptions(properties), `${dataset}@${last}`, part.dataset]));
        } else {
          const origin =
            mode === 'false' ? undefined : mode === 'rebase' ? await initialImage(root, one.origin) : one.origin;
          let base = origin;
          for (const [step, label] of labels.entries()) {
            work.signal?.throwIfAborted();
            const sent = { snapshot: `${dataset}@${label}`, base };
            const options = step === 0 ? { properties, clone: base !== undefined } : {};
            const copied = (): Promise<void> => transfer(sent, `${part.dataset}@${label}`, options, work);
            await (step === 0 ? begun(copied) : copied());
            base = sent.snapshot;
          }
          await zfs(['destroy', `${part.dataset}@${last}`]);
        }
        if (one.kind !== 'dataset') await settleDisk(pool, target, part, one);
      }
    }
  } finally {
    if (fixed === undefined) for (const { dataset } of from) await destroyWithClones(`${dataset}@${last}`);
  }
  await space.refresh(...to.map(({ dataset }) => dataset));
  undo.commit();
};

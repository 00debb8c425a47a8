/** Copies within a pool: clones where that can be, `zfs send` and `zfs receive` where snapshots come along. */
import {
  badRequest,
  copyTree,
  describeVolume,
  growFilesystem,
  isTrue,
  newFilesystemUuid,
  notFound,
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
import { reserveDisk } from './resize.ts';
import { createSnapshot, deleteSnapshot, takeSnapshot } from './snapshots.ts';
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

/** What a copy within ZFS is made of and how. */
interface Plan {
  readonly target: Volume;
  readonly properties: readonly string[];
  /** The dataset or zvol that is copied, and its copy. */
  readonly from: string;
  readonly to: string;
  /** The short names of the snapshots, oldest first; the last is the state that the copy begins with. */
  readonly labels: readonly string[];
}

const clonePart = ({ properties, from, to, labels }: Plan): Promise<unknown> =>
  zfs(['clone', ...asOptions(properties), `${from}@${labels.at(-1)}`, to]);

/**
 * Sends one snapshot after the other.
 *
 * @param origin - what the copy is to be a clone of; undefined: of nothing
 * @param begun - called when there is something to undo
 */
const sendPart = async (plan: Plan, origin: string | undefined, begun: () => void, work: Work): Promise<void> => {
  const { properties, from, to, labels } = plan;
  let base = origin;
  for (const [step, label] of labels.entries()) {
    work.signal?.throwIfAborted();
    const sent = { snapshot: `${from}@${label}`, base };
    const options = step === 0 ? { properties, clone: base !== undefined } : {};
    await transfer(sent, `${to}@${label}`, options, work);
    if (step === 0) begun();
    base = sent.snapshot;
  }
  await zfs(['destroy', `${to}@${labels.at(-1)}`]);
};

/** What a copy that is sent is based on, by the pool's `zfs.clone_copy`. */
const originFor = async (pool: PoolContext, origin: string | undefined): Promise<string | undefined> => {
  const mode = pool.config()['zfs.clone_copy'];
  if (mode === 'false') return undefined;
  return mode === 'rebase' ? initialImage(pool.root, origin) : origin;
};

/** Whether a copy is a clone of one snapshot. */
const isClone = (pool: PoolContext, source: Volume, snapshots: readonly string[]): boolean =>
  source.type === 'image' || (snapshots.length === 0 && (pool.config()['zfs.clone_copy'] || 'true') === 'true');

/** Copies the parts of a volume whose target is kept in the same way. */
const copyParts = async (
  pool: PoolContext,
  plans: readonly (Plan & { readonly source: Source; readonly part: Part })[],
  clones: boolean,
  undo: UndoStack,
  work: Work,
): Promise<void> => {
  for (const { source, part, ...plan } of plans) {
    // Made in one step or not at all; and what was there before is not to be removed.
    const begun = (): void => undo.add(`delete ${plan.to}`, () => destroyDataset(pool.root, plan.to));
    try {
      if (clones) {
        await clonePart(plan);
        begun();
      } else await sendPart(plan, await originFor(pool, source.origin), begun, work);
    } catch (error) {
      throw aboutVolume(plan.target, error);
    }
    if (source.kind === 'dataset') continue;
    await settleDisk(pool, plan.target, part, source);
    if (isTrue(plan.target.config['zfs.reserve_space'])) await reserveDisk(plan.target, part.dataset);
  }
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
  const [from, to] = [partsOf(pool.root, source), partsOf(pool.root, target)];
  await using state = await stateOf(pool, source, from);
  const labels = [...snapshots.map(snapshotLabel), state.label];
  const sources = await lookAt(source, from, labels);
  await using undo = new UndoStack();
  if (target.content === 'filesystem' && sources[0]?.kind !== to[0].kind) {
    await createVolume(pool, target, undefined, work);
    undo.add('remove the copy', async () => {
      for (const snapshot of snapshots) await deleteSnapshot(pool, { ...target, snapshot });
      await deleteVolume(pool, target);
    });
    await copyFiles(pool, target, source, snapshots, work);
  } else {
    checkSizes(target, sources);
    const plans = to.flatMap((part, at) => {
      const [one, dataset] = [sources[at], from[at]?.dataset];
      if (!one || dataset === undefined) return [];
      const properties = copyProperties(one.kind, target);
      return [{ target, properties, from: dataset, to: part.dataset, labels, source: one, part }];
    });
    await copyParts(pool, plans, isClone(pool, source, snapshots), undo, work);
  }
  pool.space.changed(...to.map(({ dataset }) => dataset));
  undo.commit();
};

/**
 * The snapshot that holds the state to copy: that of an image, the one named, or one made for the purpose, which goes when
 * disposed of, or with its last clone.
 */
const stateOf = async (
  pool: PoolContext,
  source: Volume,
  parts: readonly Part[],
): Promise<{ readonly label: string } & AsyncDisposable> => {
  const kept = { [Symbol.asyncDispose]: async (): Promise<void> => undefined };
  if (source.type === 'image') return { label: imageSnapshot, ...kept };
  if (source.snapshot !== undefined) return { label: snapshotLabel(source.snapshot), ...kept };
  const label = hiddenLabel('copy');
  try {
    await takeSnapshot(pool, source, label);
  } catch (error) {
    throw aboutVolume(source, error);
  }
  return {
    label,
    async [Symbol.asyncDispose]() {
      for (const { dataset } of parts) await destroyWithClones(`${dataset}@${label}`);
    },
  };
};

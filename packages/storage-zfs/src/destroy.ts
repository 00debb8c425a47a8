/**
 * Deleting what may have clones. A dataset with clones moves to `deleted/`, a snapshot with clones gets a hidden name and is marked
 * for deferred destruction (`zfs destroy -d`), which the kernel carries out with the last clone. The datasets in `deleted/` go with
 * their last clone here.
 */
import { complaint, rows, unless, whileBusy, zfs } from './commands.ts';
import { deletedName, hiddenLabel, isDeleted, splitSnapshot } from './names.ts';

interface Relations {
  /** The snapshot it is a clone of. */
  readonly origin: string | undefined;
  /** Whether any of its snapshots has clones. */
  readonly cloned: boolean;
}

/** How a dataset stands to others; undefined when it is not there. */
const relationsOf = async (dataset: string): Promise<Relations | undefined> => {
  const output = await unless('missing', () =>
    zfs(['list', '-H', '-p', '-t', 'all', '-d', '1', '-o', 'name,origin,clones', dataset]),
  );
  if (output === undefined) return undefined;
  const [own, ...others] = rows(output);
  const origin = own?.[1] ?? '-';
  return {
    origin: origin === '-' ? undefined : origin,
    cloned: others.some(([name = '', , clones = '']) => name.startsWith(`${dataset}@`) && !['', '-'].includes(clones)),
  };
};

/**
 * Deletes a dataset or zvol with all its snapshots, now or with its last clone. Nothing there is no error.
 *
 * @param options.busyForMs - how long to wait for others to let go of it
 */
export const destroyDataset = async (
  root: string,
  dataset: string,
  options: { readonly busyForMs?: number } = {},
): Promise<void> => {
  const relations = await relationsOf(dataset);
  if (!relations) return;
  if (relations.cloned) {
    if (!isDeleted(root, dataset))
      await whileBusy(() => zfs(['rename', dataset, deletedName(root, dataset)]), options.busyForMs);
    return;
  }
  try {
    await whileBusy(() => unless('missing', () => zfs(['destroy', '-r', dataset])), options.busyForMs);
  } catch (error) {
    // Cloned since it was looked at.
    if (complaint(error) === 'clones') return destroyDataset(root, dataset, options);
    throw error;
  }
  // What it was cloned from may have waited for this.
  const { dataset: origin } = splitSnapshot(relations.origin ?? '');
  if (isDeleted(root, origin)) await destroyDataset(root, origin, options);
};

/** Deletes a snapshot; one with clones lives on under a hidden name as long as they do. Nothing there is no error. */
export const destroySnapshot = async (snapshot: string): Promise<void> => {
  try {
    await whileBusy(() => unless('missing', () => zfs(['destroy', snapshot])));
  } catch (error) {
    if (complaint(error) !== 'clones') throw error;
    const hidden = `${splitSnapshot(snapshot).dataset}@${hiddenLabel('deleted')}`;
    await zfs(['rename', snapshot, hidden]);
    await destroyWithClones(hidden);
  }
};

/** Has the kernel delete a snapshot with its last clone: at once when there is none. */
export const destroyWithClones = async (snapshot: string): Promise<void> => {
  await unless('missing', () => zfs(['destroy', '-d', snapshot]));
};

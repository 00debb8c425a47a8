/**
 * What volumes use. No system call tells it of a dataset that is not mounted, nor of a disk, and a question must start no program.
 * So the figures are read after each change, and kept; for what is mounted, the live figures of the file system correct them. Who
 * makes a change does not wait for that, but who asks.
 */
import { statfs } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { rows, unless, zfs } from './commands.ts';
import { splitSnapshot } from './names.ts';

/** Bytes, as `zfs list` tells them. */
interface Figures {
  /** What would be free again if it and its snapshots were deleted. */
  readonly used: number;
  /** Its own part of that. */
  readonly usedByDataset: number;
  /** What can be reached in it, shared or not. */
  readonly referenced: number;
  readonly quota: number;
  readonly refquota: number;
  /** The size of a disk. */
  readonly volsize: number;
  readonly available: number;
}

export interface Usage {
  readonly used: number;
  readonly total?: number;
}

export interface Space {
  /** Has the figures of datasets and of their snapshots read again. */
  changed(...datasets: string[]): void;
  /** Waits, though not for ever, until figures are those after the last change. @throws what `zfs` throws, when they cannot be read */
  settled(): Promise<void>;
  /** Forgets what is gone. */
  forget(dataset: string): void;
  /**
   * Reads the figures of everything.
   *
   * @returns the names of all there is; empty when the pool is not there
   */
  refreshAll(): Promise<string[]>;
  /** Used and free bytes of the pool together: they grow with its devices alone. */
  total(): number;
  /**
   * The use of a dataset, zvol or snapshot.
   *
   * @param mountedAt - where it is mounted, if it is
   * @returns undefined when nothing is known of it
   */
  usage(name: string, mountedAt?: string): Promise<Usage | undefined>;
}

/** How long one reading waits for more to tell of. */
const gatherMs = 20;
/** How long who asks waits: of a zpool that is suspended `zfs` tells nothing, and what was known before is all there is. */
const patienceMs = 5_000;

const columns = ['name', 'used', 'usedbydataset', 'referenced', 'quota', 'refquota', 'volsize', 'available'] as const;

/** Reads a row of `zfs list`, in the order of `columns`. What does not apply is `-` there, and 0 here. */
export const parseFigures = ([name = '', ...values]: readonly string[]): [string, Figures] => {
  const [used = 0, usedByDataset = 0, referenced = 0, quota = 0, refquota = 0, volsize = 0, available = 0] = values.map(
    (value) => (/^[0-9]+$/.test(value) ? Number(value) : 0),
  );
  return [name, { used, usedByDataset, referenced, quota, refquota, volsize, available }];
};

/**
 * The use that follows from kept figures and the live ones of a mounted file system.
 *
 * @param live - bytes that are referenced now
 */
export const usageOf = (figures: Figures, live?: number): Usage => {
  const total = figures.quota || figures.refquota || figures.volsize;
  // With a limit on the data alone snapshots do not count.
  const counted = figures.refquota ? figures.usedByDataset : figures.used;
  const used = live === undefined ? counted : Math.max(0, counted + live - figures.referenced);
  return { used, ...(total === 0 ? {} : { total }) };
};

/** @param root - the root dataset of the pool */
export const spaceOf = (root: string): Space => {
  const known = new Map<string, Figures>();
  /** Undefined: not all of it is there. */
  const list = async (...scope: string[]): Promise<[string, Figures][] | undefined> => {
    const output = await unless('missing', () =>
      zfs(['list', '-H', '-p', '-t', 'all', '-o', columns.join(), ...scope]),
    );
    return output === undefined ? undefined : rows(output).map(parseFigures);
  };
  const figuresOf = async (...datasets: string[]): Promise<[string, Figures][]> => {
    const found = await list('-d', '1', ...datasets);
    if (found || datasets.length === 1) return found ?? [];
    // One that was deleted meanwhile hides the others.
    return (await Promise.all(datasets.map((dataset) => figuresOf(dataset)))).flat();
  };

  const outdated = new Set<string>();
  let beingRead = new Set<string>();
  let active = false;
  let reading = Promise.resolve();
  const drop = (dataset: string): void => {
    for (const name of known.keys()) if (name === dataset || name.startsWith(`${dataset}@`)) known.delete(name);
  };
  const readOutdated = async (): Promise<void> => {
    active = true;
    try {
      while (outdated.size > 0) {
        // Changes come in groups.
        await setTimeout(gatherMs);
        beingRead = new Set(outdated);
        outdated.clear();
        const fresh = await figuresOf(...beingRead);
        // What is known stays so until the new figures are there, and what was forgotten meanwhile stays forgotten.
        for (const dataset of beingRead) drop(dataset);
        for (const [name, figures] of fresh) if (beingRead.has(splitSnapshot(name).dataset)) known.set(name, figures);
      }
    } catch (error) {
      // They are read with the next change.
      for (const dataset of beingRead) outdated.add(dataset);
      throw error;
    } finally {
      active = false;
    }
  };

  const settled = async (): Promise<void> => {
    if (!active) return reading;
    const answered = new AbortController();
    const late = setTimeout(patienceMs, undefined, { signal: answered.signal, ref: false });
    await Promise.race([reading, late]).finally(() => answered.abort());
  };

  return {
    forget(dataset) {
      outdated.delete(dataset);
      beingRead.delete(dataset);
      drop(dataset);
    },
    changed(...datasets) {
      for (const dataset of datasets) outdated.add(dataset);
      if (active) return;
      reading = readOutdated();
      // Who asks is told.
      reading.catch(() => undefined);
    },
    settled,
    async refreshAll() {
      const all = (await list('-r', root)) ?? [];
      for (const [name, figures] of all) known.set(name, figures);
      return all.map(([name]) => name);
    },
    total() {
      const figures = known.get(root);
      return figures ? figures.used + figures.available : 0;
    },
    async usage(name, mountedAt) {
      await settled();
      const figures = known.get(name);
      if (!figures || mountedAt === undefined) return figures && usageOf(figures);
      const { bsize, blocks, bfree } = await statfs(mountedAt);
      return usageOf(figures, (blocks - bfree) * bsize);
    },
  };
};

/** The RBD images of an OSD pool: one function for each thing that `rbd` can do to them. */
import { dieWithUs, type Work } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { type CephOptions, type Cluster, ceph, cephJson, endedWith, noRoom } from '../cluster.ts';

const parentShape = z.object({ pool: z.string(), image: z.string(), snapshot: z.string() });

const infoShape = z.object({
  name: z.string(),
  id: z.string(),
  /** Bytes. */
  size: z.number(),
  snapshot_count: z.number(),
  parent: parentShape.optional(),
});

/** `protected` is the text `true` or `false`. */
const isProtected = z
  .string()
  .optional()
  .transform((text) => text === 'true');

const snapshotShape = z.object({
  id: z.number(),
  name: z.string(),
  size: z.number(),
  protected: isProtected,
  timestamp: z.string(),
});

const listedShape = z.object({
  image: z.string(),
  size: z.number(),
  snapshot: z.string().optional(),
  snapshot_id: z.number().optional(),
  protected: isProtected,
  parent: parentShape.optional(),
});

const useShape = z.object({
  images: z.array(
    z.object({
      name: z.string(),
      snapshot: z.string().optional(),
      provisioned_size: z.number(),
      used_size: z.number(),
    }),
  ),
});

export type ImageParent = z.infer<typeof parentShape>;
export type ImageInfo = z.infer<typeof infoShape>;
export type ImageSnapshot = z.infer<typeof snapshotShape>;
/** One image, or one snapshot of it. */
export type ListedImage = z.infer<typeof listedShape>;

export interface ImagesOptions {
  readonly cluster: Cluster;
  readonly osdPool: string;
  /** Read anew each time: features and data pool of new images. */
  readonly config: () => { readonly features: readonly string[]; readonly dataPool?: string | undefined };
  /** Put before commands that change something, so that the next run can wait for those that outlive this one. */
  readonly guard: readonly string[];
}

/** What the functions about images share. */
export type Images = ReturnType<typeof imagesOf>;

export const imagesOf = ({ cluster, osdPool, config, guard }: ImagesOptions) => {
  const spec = (image: string, snapshot?: string): string =>
    snapshot === undefined ? `${osdPool}/${image}` : `${osdPool}/${image}@${snapshot}`;

  /** The OSD pools that images are in. */
  const writesTo = (): string[] => {
    const { dataPool } = config();
    return [osdPool, ...(dataPool === undefined ? [] : [dataPool])];
  };

  /** A short change: it goes on to its end should this process be killed, and the next run waits for it. */
  const change = (args: readonly string[], options: CephOptions = {}): Promise<string> =>
    ceph(cluster, ['rbd', ...args], { prefix: guard, writesTo: writesTo(), ...options });
  /** A long change: it ends with this process. */
  const longChange = (args: readonly string[], options: CephOptions): Promise<string> =>
    ceph(cluster, ['rbd', ...args], {
      prefix: [...dieWithUs, ...guard],
      slow: true,
      writesTo: writesTo(),
      ...options,
    });

  /** Options of commands that make an image. */
  const making = (): string[] => {
    const { features, dataPool } = config();
    return [
      ...features.flatMap((feature) => ['--image-feature', feature]),
      ...(dataPool === undefined ? [] : ['--data-pool', dataPool]),
    ];
  };

  /** Runs a question or a change, answering `undefined` when what it is about is not there. */
  const ifThere = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (endedWith(error, 'ENOENT')) return undefined;
      throw error;
    }
  };

  return {
    cluster,
    osdPool,
    spec,
    guard,

    /** The error that says that there is no room for what is written to images; undefined: there is. */
    noRoom: () => noRoom(cluster, writesTo()),

    /** An image, or undefined. With a snapshot: as it was then. */
    info: (image: string, snapshot?: string): Promise<ImageInfo | undefined> =>
      ifThere(cephJson(cluster, ['rbd', 'info', spec(image, snapshot)], infoShape)),

    /** The snapshots of an image, oldest first; none of an image that is not there. */
    async snapshots(image: string): Promise<ImageSnapshot[]> {
      const list = await ifThere(cephJson(cluster, ['rbd', 'snap', 'ls', spec(image)], z.array(snapshotShape)));
      return (list ?? []).sort((a, b) => a.id - b.id);
    },

    /** All images and their snapshots, by one command that opens each image. */
    async list(work?: Work): Promise<ListedImage[]> {
      const shape = z.array(listedShape);
      try {
        return await cephJson(cluster, ['rbd', 'ls', '--long', osdPool], shape, { work, slow: true });
      } catch (error) {
        // It has told of the others, and fails, where one has gone meanwhile or is half removed.
        const told = endedWith(error, 'ENOENT') ? error.cause.stdout : '';
        if (told === '') throw error;
        return shape.parse(JSON.parse(told));
      }
    },

    /** The names of all images, those that are half removed among them. */
    names: (work?: Work): Promise<string[]> => cephJson(cluster, ['rbd', 'ls', osdPool], z.array(z.string()), { work }),

    /** The bytes that objects of images and their snapshots take; of all images when none is named. Undefined: it is not there. */
    async use(image: string | undefined, work?: Work) {
      const which = image === undefined ? ['--pool', osdPool] : [spec(image)];
      const options = { work, slow: true, background: true };
      return (await ifThere(cephJson(cluster, ['rbd', 'du', ...which], useShape, options)))?.images;
    },

    /** Makes an image of so many bytes; `size` 0 is taken by what is imported later. */
    create: (image: string, size: number, work?: Work): Promise<unknown> =>
      change(['create', '--size', `${size}B`, ...making(), spec(image)], { work, what: `Image "${image}"` }),

    rename: (image: string, name: string): Promise<unknown> =>
      change(['rename', spec(image), spec(name)], { what: `Image "${image}" or "${name}"` }),

    /** Sets the size in bytes. The caller has seen to it that nothing is cut off that is needed. */
    resize: (image: string, size: number, work?: Work): Promise<unknown> =>
      longChange(['resize', '--allow-shrink', '--size', `${size}B`, spec(image)], { work }),

    takeSnapshot: (image: string, snapshot: string, work?: Work): Promise<unknown> =>
      change(['snap', 'create', '--no-progress', spec(image, snapshot)], { work, what: `"${image}@${snapshot}"` }),

    renameSnapshot: (image: string, snapshot: string, name: string): Promise<unknown> =>
      change(['snap', 'rename', spec(image, snapshot), spec(image, name)], { what: `"${image}@${snapshot}"` }),

    /** Lets clones be made of a snapshot. One that is protected already is no error. */
    async protect(image: string, snapshot: string): Promise<void> {
      try {
        await change(['snap', 'protect', spec(image, snapshot)], { what: `"${image}@${snapshot}"` });
      } catch (error) {
        if (!endedWith(error, 'EBUSY')) throw error;
      }
    },

    /** @returns whether the snapshot can go now: false when clones of it live */
    async unprotect(image: string, snapshot: string): Promise<boolean> {
      try {
        await change(['snap', 'unprotect', spec(image, snapshot)]);
        return true;
      } catch (error) {
        if (endedWith(error, 'EBUSY')) return false;
        // Not protected, or gone meanwhile: removing it will tell.
        if (endedWith(error, 'ENOENT', 'EINVAL')) return true;
        throw error;
      }
    },

    /** @returns false when it is protected. Nothing there is no error. */
    async removeSnapshot(image: string, snapshot: string): Promise<boolean> {
      try {
        await change(['snap', 'rm', '--no-progress', spec(image, snapshot)]);
        return true;
      } catch (error) {
        if (endedWith(error, 'ENOENT')) return true;
        if (endedWith(error, 'EBUSY')) return false;
        throw error;
      }
    },

    /** Makes an image what it was at a snapshot, its size included. */
    rollBack: (image: string, snapshot: string, work?: Work): Promise<unknown> =>
      longChange(['snap', 'rollback', spec(image, snapshot)], { work, what: `"${image}@${snapshot}"` }),

    /** Makes a copy-on-write image of a protected snapshot. */
    clone: (image: string, snapshot: string, target: string, work?: Work): Promise<unknown> =>
      change(['clone', ...making(), spec(image, snapshot), spec(target)], { work, what: `"${image}" or "${target}"` }),

    /** Makes a full copy of a snapshot. */
    copy: (image: string, snapshot: string, target: string, work?: Work): Promise<unknown> =>
      longChange(['copy', ...making(), spec(image, snapshot), spec(target)], {
        work,
        what: `"${image}" or "${target}"`,
      }),

    /** Copies into a clone what it shares with its parents. */
    flatten: (image: string, work?: Work): Promise<unknown> => longChange(['flatten', spec(image)], { work }),

    /**
     * Removes an image without snapshots. `rbd rm` puts it in the trash first; of one that was killed since, only another one knows.
     *
     * @throws LxdError conflict when a program or kernel has it open, or its OSD pool is full
     */
    async remove(image: string, work?: Work): Promise<void> {
      try {
        await longChange(['rm', spec(image)], { work });
      } catch (error) {
        if (!endedWith(error, 'ENOENT')) throw error;
        // `rbd rm` says this too where there is no room for its note in the trash, and the image is still there.
        if (await this.info(image)) throw (await this.noRoom()) ?? error;
      }
    },

    /** Whether the head of an image differs from one of its snapshots. */
    async differs(image: string, snapshot: string): Promise<boolean> {
      const args = ['rbd', 'diff', '--whole-object', '--from-snap', snapshot, spec(image)] as const;
      const extents = await cephJson(cluster, args, z.array(z.unknown()), {
        slow: true,
        what: `"${image}@${snapshot}"`,
      });
      return extents.length > 0;
    },

    getMetadata: async (image: string, key: string): Promise<string | undefined> =>
      (await ifThere(ceph(cluster, ['rbd', 'image-meta', 'get', spec(image), key])))?.trimEnd(),

    setMetadata: (image: string, key: string, value: string): Promise<unknown> =>
      change(['image-meta', 'set', spec(image), key, value]),
  };
};

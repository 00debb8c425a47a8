/** Mapping RBD images as block devices of the kernel. What is mapped is read from /sys/bus/rbd, without a program. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { conflict, waitForDevice } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { type Cluster, ceph, endedWith, QUICK, within } from '../cluster.ts';
import type { Images } from './images.ts';

const directory = '/sys/bus/rbd/devices';

/** A mapped image, or snapshot of one. */
export interface MappedImage {
  readonly id: string;
  /** `/dev/rbd0` */
  readonly device: string;
  readonly image: string;
  /** Undefined: the image itself. */
  readonly snapshot: string | undefined;
  /** Bytes. */
  readonly size: number;
}

const read = (id: string, name: string): string => readFileSync(join(directory, id, name), 'utf8').trimEnd();

/** The mapped images of an OSD pool of the cluster that has this id. */
export const mappedImages = (fsid: string, osdPool: string): MappedImage[] => {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((id) => {
    try {
      if (read(id, 'pool') !== osdPool || read(id, 'pool_ns') !== '' || read(id, 'cluster_fsid') !== fsid) return [];
      const snapshot = read(id, 'current_snap');
      return [
        {
          id,
          device: `/dev/rbd${id}`,
          image: read(id, 'name'),
          snapshot: snapshot === '-' ? undefined : snapshot,
          size: Number(read(id, 'size')),
        },
      ];
    } catch (error) {
      // Unmapped while we look.
      if (isErrno(error, 'ENOENT', 'ENODEV')) return [];
      throw error;
    }
  });
};

/** How long a device may stay in use after its last user said it was done: the kernel ends mounts of dying containers later. */
const UNMAP_WITHIN = 5000;

/**
 * Unmaps a device.
 *
 * @returns false when somebody has it open
 */
export const unmap = async ({ id }: Pick<MappedImage, 'id'>): Promise<boolean> => {
  try {
    await writeFile('/sys/bus/rbd/remove_single_major', id);
    return true;
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return false;
    // Gone already, or on its way.
    if (isErrno(error, 'ENOENT', 'EINPROGRESS')) return true;
    throw error;
  }
};

/**
 * The key of a user, from the keyring at its usual place (ceph.conf(5), `keyring`); undefined when it is elsewhere.
 */
const secretOf = async ({ name, user }: Cluster): Promise<string | undefined> => {
  try {
    const text = await readFile(`/etc/ceph/${name}.client.${user}.keyring`, 'utf8');
    return /^\s*key\s*=\s*(\S+)\s*$/m.exec(text)?.[1];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/** Writing where there is no room is an error (ENOSPC), and does not wait until there is some (rbd(8), "Kernel rbd options"). */
const ABORT_ON_FULL = 'abort_on_full';

/** The devices of one pool's images. */
export type Devices = ReturnType<typeof devicesOf>;

export const devicesOf = (images: Images, fsid: string) => {
  const find = (image: string, snapshot?: string): MappedImage | undefined =>
    mappedImages(fsid, images.osdPool).find((one) => one.image === image && one.snapshot === snapshot);

  /** The monitors' addresses, as the kernel is told them; known once a device was mapped by `rbd map`. */
  let monitors: string | undefined;

  /**
   * Maps by telling the kernel itself (Linux, Documentation/ABI/testing/sysfs-bus-rbd), ten times as quick as the program.
   *
   * @returns the device; undefined when it cannot be done this way
   */
  const mapDirectly = async (image: string, snapshot: string | undefined): Promise<string | undefined> => {
    const known = mappedImages(fsid, images.osdPool)[0];
    if (known) monitors = read(known.id, 'config_info').split(' ')[0];
    const secret = monitors === undefined ? undefined : await secretOf(images.cluster);
    if (secret === undefined || /\s/.test(`${images.osdPool}${image}${snapshot ?? ''}`)) return undefined;
    const options = [
      `name=${images.cluster.user}`,
      `secret=${secret}`,
      ABORT_ON_FULL,
      ...(snapshot === undefined ? [] : ['ro']),
    ].join();
    const line = [monitors, options, images.osdPool, image, snapshot ?? '-'].join(' ');
    try {
      await within(QUICK, `"${image}" was not mapped`, writeFile('/sys/bus/rbd/add_single_major', line));
    } catch (error) {
      // Other monitors by now, another key, an image that is not there: the program tells.
      if (isErrno(error, 'EPERM', 'EACCES', 'ENOENT', 'ETIMEDOUT', 'ECONNREFUSED', 'EHOSTUNREACH', 'EINVAL'))
        return undefined;
      throw error;
    }
    return find(image, snapshot)?.device;
  };

  return {
    find,
    all: (): MappedImage[] => mappedImages(fsid, images.osdPool),

    /**
     * Maps an image, or a snapshot (read-only). One that is mapped is taken as it is.
     *
     * @returns the device's path
     * @throws LxdError not-found, with `what` in its sentence; conflict when the OSD pool is full
     */
    async map(image: string, snapshot: string | undefined, what: string): Promise<string> {
      const mapped = find(image, snapshot);
      if (mapped) return mapped.device;
      try {
        const device = await mapDirectly(image, snapshot);
        if (device !== undefined) {
          await waitForDevice(device);
          return device;
        }
        const args = [
          'map',
          '--options',
          // What udev does is heard of in the first network namespace alone; elsewhere rbd would wait for ever.
          `${ABORT_ON_FULL},noudev`,
          ...(snapshot === undefined ? [] : ['--read-only']),
          images.spec(image, snapshot),
        ];
        // Killed in the middle it may be mapped or not: both are seen in /sys.
        const made = (await ceph(images.cluster, ['rbd', ...args], { prefix: images.guard, what })).trim();
        await waitForDevice(made);
        return made;
      } catch (error) {
        // Who maps an image to write to it says so to the cluster, and that is written too.
        if (!isErrno(error, 'ENOSPC') && !endedWith(error, 'ENOSPC')) throw error;
        throw (await images.noRoom()) ?? error;
      }
    },

    /**
     * Unmaps an image or snapshot, if it is mapped.
     *
     * @returns false when it stays mapped, since somebody has it open
     */
    async release(image: string, snapshot?: string): Promise<boolean> {
      for (const end = Date.now() + UNMAP_WITHIN; ; await setTimeout(50)) {
        const mapped = find(image, snapshot);
        if (mapped === undefined || (await unmap(mapped))) return true;
        if (Date.now() > end) return false;
      }
    },

    /** Unmaps an image and its snapshots. @throws LxdError conflict when somebody has one of them open */
    async releaseAll(image: string, what: string): Promise<void> {
      for (const one of mappedImages(fsid, images.osdPool).filter((mapped) => mapped.image === image)) {
        if (!(await this.release(one.image, one.snapshot))) throw conflict(`${what} is in use: ${one.device} is open`);
      }
    },
  };
};

/** The devices of zvols, visible as long as someone uses them: what a guest has on its disk is not for the host to look into. */
import { randomUUID } from 'node:crypto';
import { mountCounter, newFilesystemUuid, notFound, readSuperblock } from '@lxd-ts/driver-kit';
import { complaint, unless, zfs } from './commands.ts';
import { destroyDataset } from './destroy.ts';
import { splitSnapshot } from './names.ts';
import { zvolDevice } from './zvol-device.ts';

/** A device node, there until disposed of. */
export interface Disk extends AsyncDisposable {
  readonly path: string;
}

export interface Disks {
  /**
   * The device of a zvol, or the read-only one of a snapshot of it. Any number of users.
   *
   * @throws LxdError not-found when there is none
   */
  device(name: string): Promise<Disk>;
  /**
   * A writable clone of a snapshot of a zvol for the moment: a file system that was in use when the snapshot was taken has a
   * journal to play back.
   */
  clone(snapshot: string): Promise<Disk>;
}

const keep = (stack: AsyncDisposableStack, path: string): Disk => {
  const kept = stack.move();
  return { path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
};

/** @param root - the root dataset of the pool */
export const disksOf = (root: string): Disks => {
  const counter = mountCounter();

  /** Sets a property while someone uses what it makes visible. */
  const whileUsed = (zvol: string, property: string, value: string, unused: string): Promise<AsyncDisposable> =>
    counter.acquire(`${property} ${zvol}`, async () => {
      try {
        await zfs(['set', `${property}=${value}`, zvol]);
      } catch (error) {
        throw complaint(error) === 'missing' ? notFound(`There is no "${zvol}"`, { cause: error }) : error;
      }
      return {
        [Symbol.asyncDispose]: async () => {
          // Deleted or renamed meanwhile: nothing to hide.
          await unless('missing', () => zfs(['set', `${property}=${unused}`, zvol]));
        },
      };
    });

  const device: Disks['device'] = async (name) => {
    const { dataset, label } = splitSnapshot(name);
    await using stack = new AsyncDisposableStack();
    if (label !== '' && (await unless('missing', () => zfs(['list', '-H', '-o', 'name', name]))) === undefined) {
      throw notFound(`There is no "${name}"`);
    }
    stack.use(await whileUsed(dataset, 'volmode', 'dev', 'none'));
    if (label !== '') stack.use(await whileUsed(dataset, 'snapdev', 'visible', 'hidden'));
    return keep(stack, await zvolDevice(name));
  };

  return {
    device,
    async clone(snapshot) {
      const clone = `${root}/deleted/custom/${randomUUID()}`;
      await using stack = new AsyncDisposableStack();
      try {
        await zfs(['clone', '-o', 'volmode=none', snapshot, clone]);
      } catch (error) {
        throw complaint(error) === 'missing' ? notFound(`There is no "${snapshot}"`, { cause: error }) : error;
      }
      stack.defer(() => destroyDataset(root, clone));
      const { path } = stack.use(await device(clone));
      // The kernel tells file systems of this kind apart by their UUID alone.
      if ((await readSuperblock(path))?.kind === 'btrfs') await newFilesystemUuid(path);
      return keep(stack, path);
    },
  };
};

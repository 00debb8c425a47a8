import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  attachLoop,
  createSparseFile,
  detachLoop,
  isErrno,
  listLoops,
  mount,
  mountInfo,
  mountsBelow,
  removeTree,
  run,
  unmount,
} from '@lxd-ts/host';
import { messageOf } from '../errors.ts';
import { UndoStack } from '../work.ts';

/** What a test run makes on the host, and takes away at the end, also after failures. */
export interface TestContext extends AsyncDisposable {
  /** An empty directory of its own. Loop files, mounts and pools go below it. */
  readonly directory: string;
  /** Registers what undoes something; run at the end in reverse order. */
  defer(what: string, undo: () => Promise<unknown>): void;
  /** A blank block device of so many bytes: a loop device. */
  blockDevice(size: number): Promise<string>;
  /**
   * A new file system in a loop file, mounted.
   *
   * @param options.mkfs - more arguments for `mkfs.<type>`
   * @param options.mount - mount options, as in fstab(5)
   * @returns the directory at which it is mounted
   */
  fileSystem(
    type: 'ext4' | 'xfs' | 'btrfs',
    size: number,
    options?: { readonly mkfs?: readonly string[]; readonly mount?: string },
  ): Promise<string>;
  /**
   * What is mounted at or below a directory (that of the context), and the loop devices with files in it. Empty when all is
   * cleared; waits a little for loop devices to go.
   */
  leftovers(below?: string): Promise<string[]>;
}

/** Whether a program in another mount namespace has a copy of the mounts of a device, as every new container has for a while. */
const mountedElsewhere = (device: string): boolean =>
  readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .some((pid) => {
      try {
        return mountInfo(Number(pid)).some(({ source }) => source === device);
      } catch (error) {
        // Gone meanwhile.
        if (isErrno(error, 'ENOENT', 'EINVAL', 'ESRCH')) return false;
        throw error;
      }
    });

/** The loop devices whose files lie below a directory and that nobody else keeps in use. */
const loopDevicesBelow = (directory: string): string[] =>
  listLoops()
    .filter(({ backingFile }) => backingFile.startsWith(`${directory}/`))
    .filter(({ path, autoclear }) => !(autoclear && mountedElsewhere(path)))
    .map(({ path }) => path);

/** Makes a context in a new directory below the system's temporary one. */
export const testContext = async (name: string): Promise<TestContext> => {
  const directory = await mkdtemp(join(tmpdir(), `${name}-`));
  const failures: unknown[] = [];
  const undo = new UndoStack((what, error) => failures.push(new Error(`${what}: ${error}`, { cause: error })));
  let count = 0;

  const newFile = async (size: number): Promise<string> => {
    const file = join(directory, `disk${count++}.img`);
    await createSparseFile(file, size);
    return file;
  };

  const leftovers = async (below = directory): Promise<string[]> => {
    const mounts = mountsBelow(below).map(({ target, type, source }) => `${target} (${type} ${source})`);
    let devices = loopDevicesBelow(below);
    // The kernel detaches them shortly after the last user.
    for (const end = Date.now() + 30_000; devices.length > 0 && Date.now() < end; await setTimeout(20)) {
      devices = loopDevicesBelow(below);
    }
    return [...mounts, ...devices];
  };

  return {
    directory,
    leftovers,
    defer: (what, step) => undo.add(what, step),

    async blockDevice(size) {
      const loop = await attachLoop(await newFile(size));
      undo.add(`detach ${loop.path}`, () => loop[Symbol.asyncDispose]());
      return loop.path;
    },

    async fileSystem(type, size, options = {}) {
      const file = await newFile(size);
      await run([`mkfs.${type}`, '-q', ...(options.mkfs ?? []), file]);
      const target = join(directory, `mount${count++}`);
      await mkdir(target);
      await using loop = await attachLoop(file, { autoclear: true });
      await mount(loop.path, target, { type, options: options.mount ?? '' });
      undo.add(`unmount ${target}`, () => unmount(target));
      return target;
    },

    async [Symbol.asyncDispose]() {
      await undo[Symbol.asyncDispose]();
      const left = await leftovers();
      for (const { target } of mountsBelow(directory)) await unmount(target, { lazy: true });
      for (const device of loopDevicesBelow(directory)) await detachLoop(device);
      await removeTree(directory);
      if (left.length > 0) failures.push(new Error(`left behind: ${left.join(', ')}`));
      if (failures.length > 0)
        throw new AggregateError(failures, `Cleaning up failed: ${failures.map(String).join('; ')}`);
    },
  };
};

/**
 * Why a file system cannot be had on this host, for leaving out tests that need it.
 *
 * @returns undefined when it can; what mkfs or the kernel said otherwise
 */
export const fileSystemRefusal = async (
  ...wanted: Parameters<TestContext['fileSystem']>
): Promise<string | undefined> => {
  await using context = await testContext('lxd-ts-refusal');
  try {
    await context.fileSystem(...wanted);
    return undefined;
  } catch (error) {
    return `not on this host: ${messageOf(error)}`;
  }
};

/** Where images and running labs are kept on the host. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isAlive, processName } from '../test/run-mark.ts';
import { recipeHash } from './recipe.ts';

/** Holds one folder per image (its recipe's hash), `packages`, running labs (`run-…`) and builds (`build-…`). */
export const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'lxd-ts/lab');

export interface Image {
  /** The folder of all its files. */
  readonly folder: string;
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The tree that QEMU runs from. */
  readonly qemu: string;
}

/** The files of an image in a folder. */
export const imageIn = (folder: string): Image => ({
  folder,
  disk: join(folder, 'disk.img'),
  kernel: join(folder, 'vmlinux'),
  initrd: join(folder, 'initrd.gz'),
  qemu: join(folder, 'qemu'),
});

/** The image of the present recipe, whether it is built yet or not. */
export const currentImage = (): Image => imageIn(join(cacheFolder(), recipeHash()));

/** Whether an image is there: it gets its name when it is whole. */
export const isBuilt = (image: Image): boolean => existsSync(image.folder);

/** Marks an image as used, so that `removeOld` leaves it. */
export const touch = (image: Image): void => utimesSync(image.folder, new Date(), new Date());

/** A new folder in the cache that belongs to this process; `removeAbandoned` takes it away when the process is gone. */
export const makeOwnFolder = (kind: 'build' | 'run'): string => {
  mkdirSync(cacheFolder(), { recursive: true });
  return mkdtempSync(join(cacheFolder(), `${kind}-${processName()}-`));
};

/** Removes what builds and runs left whose process is gone. */
export const removeAbandoned = (): void => {
  for (const name of readdirSync(cacheFolder())) {
    const owner = name.match(/^(?:build|run)-(\d+-\d+)-/)?.[1];
    if (owner !== undefined && !isAlive(owner)) rmSync(join(cacheFolder(), name), { recursive: true, force: true });
  }
};

const day = 24 * 60 * 60 * 1000;

/** Removes images of other recipes that nobody started for a day; work trees on other recipes keep theirs that way. */
export const removeOld = (): void => {
  for (const name of readdirSync(cacheFolder()).filter((one) => /^[0-9a-f]{16}$/.test(one))) {
    const folder = join(cacheFolder(), name);
    if (name !== recipeHash() && Date.now() - statSync(folder).mtimeMs > day) rmSync(folder, { recursive: true });
  }
};

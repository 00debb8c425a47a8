/** Builds the lab's image: once per recipe, under a lock, aside and then renamed. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cacheFolder,
  currentImage,
  type Image,
  imageIn,
  isBuilt,
  makeOwnFolder,
  removeAbandoned,
  removeOld,
} from './cache.ts';
import { runLogged } from './command.ts';
import { extractKernel, makeInitrd } from './kernel.ts';
import { lockFile } from './lock.ts';
import { findMirrors, readSources } from './mirror.ts';
import { makeQemuTree } from './qemu-tree.ts';
import { diskSize, guestSuite, qemuSuite } from './recipe.ts';
import { makeRootTree, type TreeOptions } from './root-tree.ts';

/** A build takes 6 GB at its peak, 3 GB of which stay. */
const spaceNeeded = 8e9;

const checkHost = (): void => {
  if (process.arch !== 'x64') throw new Error('The lab VM is for x86-64 hosts');
  if (process.getuid?.() !== 0)
    throw new Error('Building the lab VM unpacks packages with their owners: run this as root');
  const { bavail, bsize } = statfsSync(cacheFolder());
  if (bavail * bsize < spaceNeeded) {
    const free = (bavail * bsize) / 1e9;
    throw new Error(
      `The lab VM needs ${spaceNeeded / 1e9} GB in ${cacheFolder()}, where ${free.toFixed(1)} GB are free`,
    );
  }
};

/** Says what takes how long. */
const step = async (what: string, action: () => Promise<unknown>): Promise<void> => {
  const start = Date.now();
  await action();
  console.log(`  ${what}: ${((Date.now() - start) / 1000).toFixed(0)} s`);
};

/** dkms compiles with all processors for a minute without a word; a sign of life shows that this goes on. */
const withSignOfLife = async (action: Promise<unknown>): Promise<void> => {
  const end = new AbortController();
  const tick = async () => {
    for (let minutes = 1; ; minutes++) {
      await sleep(60_000, undefined, { signal: end.signal });
      console.log(`  still building after ${minutes} min`);
    }
  };
  const ticking = tick().catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  await action.finally(() => end.abort());
  await ticking;
};

const endOf = (log: string): string => {
  if (!existsSync(log)) return '';
  return `\n${readFileSync(log, 'utf8').trimEnd().split('\n').slice(-30).join('\n')}`;
};

const makeImage = async (folder: string, log: string): Promise<void> => {
  const mirrors = await findMirrors(readSources('/etc/apt'), [guestSuite, qemuSuite]);
  const parts = imageIn(join(folder, 'image'));
  mkdirSync(parts.folder);
  const options = (tree: string, suite: string): TreeOptions => ({
    tree,
    packages: join(cacheFolder(), 'packages', suite),
    mirrors,
    log,
  });
  const root = options(join(folder, 'root'), guestSuite);
  await Promise.all([
    step('QEMU', () => makeQemuTree(options(parts.qemu, qemuSuite))),
    step('Debian with kernel modules', () => makeRootTree(root)),
  ]);
  await step('kernel and initrd', async () => {
    await extractKernel(root, parts.kernel);
    await makeInitrd(root, parts.initrd);
  });
  await step('disk', async () => {
    writeFileSync(parts.disk, '');
    truncateSync(parts.disk, diskSize);
    await runLogged(['mkfs.ext4', '-q', '-F', '-m', '0', '-L', 'lab', '-d', root.tree, parts.disk], log);
  });
  rmSync(root.tree, { recursive: true });
};

/**
 * Makes sure that the image of the present recipe is there; takes minutes when it is not.
 *
 * @throws Error that says why it cannot be built here
 */
export const ensureImage = async (): Promise<Image> => {
  const image = currentImage();
  if (isBuilt(image)) return image;
  mkdirSync(cacheFolder(), { recursive: true });
  checkHost();
  await using _lock = await lockFile(join(cacheFolder(), 'lock'), () =>
    console.log('Waiting for another build of the lab VM'),
  );
  removeAbandoned();
  if (isBuilt(image)) return image;
  const folder = makeOwnFolder('build');
  const log = join(folder, 'log');
  console.log(`Building the lab VM; what the programs say is in ${log}`);
  const start = Date.now();
  try {
    await withSignOfLife(makeImage(folder, log));
  } catch (error) {
    const said = endOf(log);
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`The lab VM cannot be built: ${error instanceof Error ? error.message : String(error)}${said}`, {
      cause: error,
    });
  }
  renameSync(join(folder, 'image'), image.folder);
  rmSync(folder, { recursive: true });
  removeOld();
  console.log(`Built the lab VM in ${((Date.now() - start) / 1000).toFixed(0)} s: ${image.folder}`);
  return image;
};

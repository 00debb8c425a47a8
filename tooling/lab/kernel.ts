/** The kernel and the initrd that QEMU starts, made out of the guest's root. */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runLogged, runQuietly } from './command.ts';
import { bootModules } from './recipe.ts';
import { inTree, type TreeOptions } from './root-tree.ts';

const kernelRelease = (tree: string): string => {
  const [release, ...others] = readdirSync(join(tree, 'lib/modules'));
  if (release === undefined || others.length > 0) throw new Error('The guest must have exactly one kernel');
  return release;
};

/** The files of the boot modules and of those that they depend on, in the order of loading. */
const moduleFiles = async (options: TreeOptions, release: string): Promise<string[]> => {
  const files: string[] = [];
  for (const name of bootModules) {
    const { code, output } = await runQuietly(inTree(options, ['modprobe', '-S', release, '-D', name]));
    if (code !== 0) throw new Error(`The kernel has no module ${name}: ${output}`);
    files.push(...[...output.matchAll(/^insmod (\S+)/gm)].map(([, file = '']) => file));
  }
  return [...new Set(files)];
};

/** Packs busybox, the boot modules and guest/initrd; a fraction of what Debian's tools would make. */
export const makeInitrd = async (options: TreeOptions, target: string): Promise<void> => {
  const { tree, log } = options;
  const folder = join(tree, 'tmp/initrd');
  for (const name of ['bin', 'dev', 'root', 'm']) mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(join(tree, 'bin/busybox'), join(folder, 'bin/busybox'));
  const files = await moduleFiles(options, kernelRelease(tree));
  for (const [n, file] of files.entries()) {
    copyFileSync(join(tree, file), join(folder, 'm', `${String(n).padStart(2, '0')}-${basename(file)}`));
  }
  copyFileSync(join(import.meta.dirname, 'guest/initrd'), join(folder, 'init'));
  chmodSync(join(folder, 'init'), 0o755);
  const pack = 'cd /tmp/initrd && find . | cpio -o -H newc --quiet | gzip -1 > /tmp/initrd.gz';
  await runLogged(inTree(options, ['sh', '-c', pack]), log);
  copyFileSync(join(tree, 'tmp/initrd.gz'), target);
  rmSync(folder, { recursive: true });
  rmSync(join(tree, 'tmp/initrd.gz'));
};

const xzMagic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const elfMagic = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/** Cuts the bare ELF kernel out of vmlinuz. QEMU starts that directly (PVH), which spares 2 s of emulated unpacking. */
export const extractKernel = async (options: TreeOptions, target: string): Promise<void> => {
  const { tree } = options;
  const name = `vmlinuz-${kernelRelease(tree)}`;
  const image = readFileSync(join(tree, 'boot', name));
  for (let at = image.indexOf(xzMagic); at !== -1; at = image.indexOf(xzMagic, at + 1)) {
    writeFileSync(join(tree, 'tmp/kernel.xz'), image.subarray(at));
    // What follows the kernel makes xz complain at the end, when all of the kernel is written.
    await runQuietly(inTree(options, ['sh', '-c', 'xz -dc < /tmp/kernel.xz > /tmp/kernel']));
    copyFileSync(join(tree, 'tmp/kernel'), target);
    for (const file of ['kernel', 'kernel.xz']) rmSync(join(tree, 'tmp', file));
    if (readFileSync(target).subarray(0, 4).equals(elfMagic)) return;
  }
  throw new Error(`There is no kernel in ${name}`);
};

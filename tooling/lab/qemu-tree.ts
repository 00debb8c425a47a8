/** A QEMU of its own release, taken out of a small Debian tree; it runs through that tree's own dynamic loader. */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { qemuPackages, qemuSuite } from './recipe.ts';
import { debootstrap, type TreeOptions } from './root-tree.ts';

/** What QEMU needs of the tree. */
const parts = ['usr/bin/qemu-system-x86_64', 'usr/lib', 'usr/lib64', 'usr/share/qemu', 'usr/share/seabios'];

/** Makes `tree` with QEMU's program, libraries and firmware. */
export const makeQemuTree = async (options: TreeOptions): Promise<void> => {
  const whole = `${options.tree}.whole`;
  await debootstrap({ ...options, tree: whole }, qemuSuite, qemuPackages);
  for (const part of parts) {
    mkdirSync(dirname(join(options.tree, part)), { recursive: true });
    renameSync(join(whole, part), join(options.tree, part));
  }
  rmSync(whole, { recursive: true });
};

/** The beginning of QEMU's command line: its program with everything it looks up by path. */
export const qemuProgram = (tree: string): string[] => [
  'env',
  `QEMU_MODULE_DIR=${join(tree, 'usr/lib/x86_64-linux-gnu/qemu')}`,
  join(tree, 'usr/lib64/ld-linux-x86-64.so.2'),
  '--library-path',
  join(tree, 'usr/lib/x86_64-linux-gnu'),
  join(tree, 'usr/bin/qemu-system-x86_64'),
  ...['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu'].flatMap((path) => ['-L', join(tree, path)]),
];

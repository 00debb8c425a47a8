import { createHash } from 'node:crypto';
import {
  chmod,
  lchown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { run } from '@lxd-ts/host';

/** A file with a hole: this many bytes long, with 4 KiB of data at its end. */
export const sparseLength: number = 8 * 1024 ** 2;

/** Fills a directory with one of everything that a file tree can hold. Needs root and the attr and acl packages. */
export const makeSampleTree = async (path: string): Promise<void> => {
  const at = (name: string): string => `${path}/${name}`;
  await mkdir(at('bin'));
  await mkdir(at('empty'), { mode: 0o700 });
  await mkdir(at('deep/er/still'), { recursive: true });
  await writeFile(at('bin/tool'), '#!/bin/sh\nexit 0\n');
  await chmod(at('bin/tool'), 0o4755);
  await link(at('bin/tool'), at('bin/tool-too'));
  await link(at('bin/tool'), at('deep/er/still/tool'));
  await writeFile(at('deep/er/still/no-access'), 'secret');
  await chmod(at('deep/er/still/no-access'), 0);
  await writeFile(at('owned'), 'by a container\n');
  await symlink('bin/tool', at('relative'));
  await symlink('/etc/shadow', at('absolute'));
  await symlink('nowhere', at('dangling'));
  await writeFile(at('spaces, ünïcode\nand a line end'), 'x');
  await writeFile(Buffer.concat([Buffer.from(`${path}/not-utf8-`), Buffer.of(0xff, 0xfe)]), 'y');
  await lchown(at('owned'), 1_000_000, 1_000_033);
  await chmod(at('owned'), 0o6640);
  await lchown(at('relative'), 1_000_001, 1_000_001);
  await lchown(at('deep'), 1_000_001, 1_000_002);
  {
    await using sparse = await open(at('sparse'), 'w');
    await sparse.write(Buffer.alloc(4096, 7), 0, 4096, sparseLength - 4096);
  }
  await run(['mkfifo', at('fifo')]);
  await run(['mknod', at('null'), 'c', '1', '3']);
  await run(['setfattr', '-n', 'user.note', '-v', 'kept', at('owned')], { debianPackage: 'attr' });
  await run(['setfattr', '-n', 'trusted.note', '-v', 'kept too', at('deep')]);
  // cap_net_bind_service=ep, as struct vfs_cap_data version 2.
  await run(['setfattr', '-n', 'security.capability', '-v', '0x0100000200040000000000000000000000000000', at('owned')]);
  await run(['setfacl', '-m', 'u:1000005:rwx,d:u:1000006:r-x', at('empty')], { debianPackage: 'acl' });
  await utimes(at('owned'), 1_000_000_000.25, 1_000_000_000.123);
  await utimes(at('empty'), 1_000_000_001, 1_000_000_001.5);
};

/** Where a file's content does not count: what it is instead. */
const contentOf = async (path: Buffer, size: number): Promise<string> =>
  size === 0
    ? 'empty'
    : createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
        .slice(0, 16);

const describeFile = async (path: Buffer, groups: Map<bigint, number>): Promise<string> => {
  const stats = await lstat(path, { bigint: true });
  const common = `${(stats.mode & 0o7777n).toString(8)} ${stats.uid}:${stats.gid}`;
  if (stats.isDirectory()) return `directory ${common} ${stats.mtimeNs}`;
  if (stats.isSymbolicLink()) return `symlink ${stats.uid}:${stats.gid} -> ${await readlink(path)}`;
  if (!stats.isFile()) return `special ${(stats.mode >> 12n).toString(8)} ${common} ${stats.rdev}`;
  if (!groups.has(stats.ino)) groups.set(stats.ino, groups.size);
  const links = stats.nlink > 1n ? ` links ${stats.nlink} of group ${groups.get(stats.ino)}` : '';
  // Of a small file the blocks depend on whether it has been written to disk yet.
  const holes = stats.size > 65_536n && stats.blocks * 512n < stats.size / 2n ? ' sparse' : '';
  return `file ${common} ${stats.mtimeNs} ${stats.size}${holes}${links} ${await contentOf(path, Number(stats.size))}`;
};

/**
 * Describes all below a directory, one line for each file and each extended attribute, in an order of its own: equal texts mean
 * equal trees. The directory itself is left out.
 */
export const describeTree = async (path: string): Promise<string[]> => {
  const lines: string[] = [];
  const groups = new Map<bigint, number>();
  const enter = async (directory: Buffer, shown: string): Promise<void> => {
    const names = await readdir(directory, { encoding: 'buffer' });
    for (const name of names.sort(Buffer.compare)) {
      const child = Buffer.concat([directory, Buffer.from('/'), name]);
      const childShown = `${shown}/${JSON.stringify(name.toString('latin1'))}`;
      lines.push(`${childShown} ${await describeFile(child, groups)}`);
      if ((await lstat(child)).isDirectory()) await enter(child, childShown);
    }
  };
  await enter(Buffer.from(path), '');
  // ACLs are among them, as system.posix_acl_*.
  const { stdout } = await run(
    [
      'getfattr',
      '--recursive',
      '--physical',
      '--no-dereference',
      '--dump',
      '-m',
      '^(user|trusted|system|security)\\.',
      '-e',
      'hex',
      '.',
    ],
    { cwd: path, debianPackage: 'attr' },
  );
  const blocks = stdout.split('\n\n').filter((block) => block.trim() !== '' && !/^# file: \.$/m.test(block));
  return [...lines, ...blocks.map((block) => block.trim()).sort()];
};

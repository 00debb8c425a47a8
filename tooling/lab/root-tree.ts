/** The guest's root file system, as a folder: Debian's packages and the few settings that the guest needs. */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { contained, runLogged } from './command.ts';
import type { Mirrors } from './mirror.ts';
import { firstPackages, fromBackports, guestPackages, guestSuite } from './recipe.ts';

export interface TreeOptions {
  /** The folder to fill; must not exist. */
  readonly tree: string;
  /** Keeps downloaded packages for the next build. */
  readonly packages: string;
  readonly mirrors: Mirrors;
  /** The file that takes what the programs say. */
  readonly log: string;
}

/** Makes the smallest Debian of a release. */
export const debootstrap = async (
  { tree, packages, mirrors, log }: TreeOptions,
  suite: string,
  include: readonly string[],
): Promise<void> => {
  mkdirSync(join(packages, 'partial'), { recursive: true });
  const options = ['--variant=minbase', `--cache-dir=${packages}`, `--include=${include.join(',')}`];
  await runLogged(contained(['debootstrap', ...options, suite, tree, mirrors.archive]), log);
};

const script =
  'mount --bind "$1" "$2/var/cache/apt/archives" && mount -t proc proc "$2/proc" && shift && exec chroot "$@"';

/** The command inside the tree, with the kept packages where apt looks for them. */
export const inTree = ({ tree, packages }: TreeOptions, command: readonly string[]): string[] =>
  // Without INITRD every kernel package would have an initrd made that nobody uses.
  contained([
    'sh',
    '-c',
    script,
    'sh',
    packages,
    tree,
    'env',
    'INITRD=No',
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    ...command,
  ]);

const sourcesList = ({ archive, security }: Mirrors): string => {
  const suites = [guestSuite, `${guestSuite}-updates`, `${guestSuite}-backports`];
  const lines = suites.map((suite) => `deb ${archive} ${suite} main contrib`);
  if (security !== undefined) lines.push(`deb ${security} ${guestSuite}-security main contrib`);
  return `${lines.join('\n')}\n`;
};

const pins = [
  `Package: ${fromBackports.map((name) => `src:${name}`).join(' ')}`,
  `Pin: release n=${guestSuite}-backports`,
  'Pin-Priority: 600',
  '',
].join('\n');

const excluded = ['doc', 'man', 'locale', 'info'].map((name) => `path-exclude=/usr/share/${name}/*`);

/** Makes the guest's whole root. Kernel modules of OpenZFS are compiled on the way. */
export const makeRootTree = async (options: TreeOptions): Promise<void> => {
  const { tree, log, mirrors } = options;
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  await debootstrap(options, guestSuite, firstPackages);
  write('etc/apt/sources.list', sourcesList(mirrors));
  write('etc/apt/preferences.d/lab', pins);
  write('etc/apt/apt.conf.d/99lab', 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n');
  write('etc/dpkg/dpkg.cfg.d/lab', ['force-unsafe-io', ...excluded, ''].join('\n'));
  // No package may start its service here (Debian policy 9.11, invoke-rc.d).
  write('usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n');
  chmodSync(join(tree, 'usr/sbin/policy-rc.d'), 0o755);
  await runLogged(inTree(options, ['apt-get', 'update', '-q']), log);
  await runLogged(inTree(options, ['eatmydata', 'apt-get', 'install', '-q', '-y', ...guestPackages]), log);

  write('etc/hostname', 'lab\n');
  write('etc/hosts', '127.0.0.1 localhost lab\n::1 localhost\n');
  write('etc/subuid', 'root:1000000:1000000000\n');
  write('etc/subgid', 'root:1000000:1000000000\n');
  for (const folder of ['mnt/run', 'var/lib/lxcfs']) mkdirSync(join(tree, folder), { recursive: true });
  rmSync(join(tree, 'etc/mtab'), { force: true });
  symlinkSync('/proc/self/mounts', join(tree, 'etc/mtab'));
  for (const path of ['var/lib/apt/lists', 'usr/src', 'var/lib/dkms']) {
    rmSync(join(tree, path), { recursive: true, force: true });
  }
};

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { ask, environment, has, run, say } from './run.mjs';

/** Debian packages that the daemon works with, and why. */
export const needed = {
  lxc: 'lxc-start, lxc-attach and the other tools of liblxc',
  lxcfs: 'what a container sees of memory, processors and uptime',
  'dnsmasq-base': 'DHCP and DNS on managed bridges',
  nftables: 'firewall and NAT of managed networks',
  iproute2: 'links, addresses, routes, traffic control',
  'btrfs-progs': 'storage driver btrfs',
  xfsprogs: 'block volumes formatted as xfs',
  e2fsprogs: 'block volumes formatted as ext4',
  'squashfs-tools': 'split images',
  attr: 'extended attributes of copied files',
  acl: 'POSIX ACLs of copied files',
  rsync: 'copies between pools and servers',
  uidmap: 'newuidmap and newgidmap for unprivileged containers',
  'busybox-static': 'the small system image',
  tar: 'images and backups',
  'xz-utils': 'images and backups',
  zstd: 'images and backups',
  bzip2: 'images and backups',
  lz4: 'images and backups',
  gzip: 'images and backups',
  apparmor: 'the profiles that confine containers, where the kernel has AppArmor',
  'util-linux': 'loop devices, namespaces',
  mount: 'mounts',
  procps: 'sysctl',
  kmod: 'kernel modules, where the kernel has any',
};

/** Debian packages that only the tests use, and why. */
export const neededForTests = {
  lxd: 'the real LXD, as the reference to compare with',
  'lxd-client': "Debian's lxc client",
  'lxd-tools': 'lxd-benchmark and its companions',
  'python3-pylxd': 'the Python client',
  debootstrap: 'a full Debian image',
  'qemu-utils': 'images of virtual machines',
  sshfs: 'lxc file mount',
  curl: 'a client that is not ours',
  socat: 'sockets of every kind',
  s3cmd: 'an S3 client that is not ours',
};

/**
 * Which of the given packages are not installed.
 *
 * @param {readonly string[]} names
 * @returns {string[]}
 */
export const missing = (names) => {
  const { stdout } = ask('dpkg-query', ['-W', '-f', `\${Package} \${db:Status-Status}\n`, ...names]);
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
};

/**
 * Installs what is missing of the packages, without recommended ones (lxc would bring a bridge of its own) and without
 * starting their services: the daemon starts what it needs, and the reference LXD must not run by itself.
 *
 * @param {Readonly<Record<string, string>>} packages name to reason
 * @throws {Error} that lists the packages when they cannot be installed from here
 */
export const installPackages = async (packages) => {
  if (!has('dpkg-query')) {
    say(`Not a Debian system; make sure that it has: ${Object.keys(packages).join(', ')}`);
    return;
  }
  const absent = missing(Object.keys(packages));
  if (absent.length === 0) return;
  say('Missing host packages:');
  for (const name of absent) say(`  ${name.padEnd(16)} ${packages[name]}`);
  if (process.getuid?.() !== 0) throw new Error(`Run as root, or first: apt-get install ${absent.join(' ')}`);

  const env = { ...environment, DEBIAN_FRONTEND: 'noninteractive' };
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=600'];
  const install = () => run('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...absent], env);
  await withServicesHeldBack(async () => {
    const known = ask('apt-cache', ['policy', ...absent]).stdout.match(/^ {2}Candidate: (?!\(none\))/gm)?.length ?? 0;
    if (known < absent.length) await run('apt-get', [...options, 'update'], env);
    try {
      await install();
    } catch {
      say('Trying once more with fresh package lists');
      await run('apt-get', [...options, 'update'], env);
      await install();
    }
  });
};

/**
 * Packages may not start services while `action` runs (Debian policy: invoke-rc.d asks policy-rc.d, 101 means no).
 *
 * @param {() => Promise<void>} action
 */
const withServicesHeldBack = async (action) => {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return action();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await action();
  } finally {
    rmSync(policy, { force: true });
  }
};

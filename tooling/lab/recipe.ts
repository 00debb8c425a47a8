/** What the lab's image is made of. Whatever changes the image stands in one of the files that `recipeHash` reads. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { needed, neededForTests } from '../setup/host-packages.mjs';

/** The guest: Debian 12, whose kernel, LXC and Ceph suit each other best. */
export const guestSuite = 'bookworm';

/**
 * The release that QEMU itself comes from. Debian 12's has no igb, and that of bookworm-backports has one whose virtual
 * functions never leave reset.
 */
export const qemuSuite = 'trixie';
export const qemuPackages = ['qemu-system-x86'];

/** Source packages that the guest takes from bookworm-backports: OpenZFS 2.3, QEMU 10 and its firmware. */
export const fromBackports = ['zfs-linux', 'qemu', 'seabios', 'edk2'];

/** Needed before apt-get can run quickly, and over HTTPS. */
export const firstPackages = ['eatmydata', 'ca-certificates'];

const fromHost = Object.keys({ ...needed, ...neededForTests }).filter((name) => name !== 'python3-pylxd');

/** netdevsim is in no Debian kernel, hence not here either. */
const groups = {
  kernel: ['linux-image-amd64', 'linux-headers-amd64', 'zfs-dkms', 'kmod', 'udev', 'cpio', 'busybox-static'],
  storage: [
    ...['lvm2', 'thin-provisioning-tools', 'zfsutils-linux', 'btrfs-progs', 'xfsprogs', 'e2fsprogs', 'dosfstools'],
    ...['cryptsetup-bin', 'gdisk', 'parted', 'quota', 'squashfs-tools', 'rsync', 'acl', 'attr', 'fuse3', 'zstd'],
  ],
  ceph: ['ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-mds', 'ceph-common', 'radosgw', 's3cmd'],
  network: [
    ...['openvswitch-switch', 'ovn-central', 'ovn-host', 'iproute2', 'iputils-ping', 'iputils-arping', 'dnsmasq-base'],
    ...[
      'nftables',
      'iptables',
      'ebtables',
      'ipset',
      'ethtool',
      'tcpdump',
      'socat',
      'netcat-openbsd',
      'curl',
      'openssl',
    ],
  ],
  instances: [
    ...['lxc', 'lxcfs', 'uidmap', 'apparmor', 'dbus'],
    ...['qemu-system-x86', 'qemu-utils', 'ovmf', 'genisoimage', 'swtpm'],
  ],
  people: ['procps', 'psmisc', 'pciutils', 'strace', 'less', 'vim-tiny', 'uuid-runtime', 'libstdc++6', 'xz-utils'],
};

/** Debian packages of the guest. */
export const guestPackages = [...new Set([...Object.values(groups).flat(), ...fromHost])].sort();

/** The modules that the root disk, the shared folders and the console need; udev loads all others. */
export const bootModules = ['virtio_pci', 'virtio_blk', 'ext4', '9pnet_virtio', '9p', 'virtio_console'];

/** The guest's disk: a sparse file of this many bytes. */
export const diskSize = 32 * 1024 ** 3;

const sources = ['recipe.ts', 'root-tree.ts', 'qemu-tree.ts', 'kernel.ts', 'guest/initrd'];

/** Names this recipe: the cache keeps one image per name. */
export const recipeHash = (): string => {
  const hash = createHash('sha256').update(JSON.stringify(guestPackages));
  for (const name of sources)
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(import.meta.dirname, name)));
  return hash.digest('hex').slice(0, 16);
};

/** The small test image: a root file system of one static program, about 1 MB, up in milliseconds. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { architecture, cached, run, squash, tar, writeMetadata } from './build.ts';

const busybox = '/bin/busybox';

const files: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/shadow': 'root:*:19000:0:99999:7:::\n',
  'etc/os-release': 'ID=busybox\nNAME=BusyBox\nPRETTY_NAME="BusyBox"\n',
  'etc/profile': "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PS1='\\h:\\w\\$ '\n",
  'etc/hostname': 'busybox\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n',
  'etc/resolv.conf': '',
  'etc/inittab': [
    '::sysinit:/etc/rc',
    '::once:/etc/network',
    'console::respawn:-/bin/sh',
    '::ctrlaltdel:/sbin/reboot',
    '::shutdown:/bin/true',
    '',
  ].join('\n'),
  'etc/rc': '#!/bin/sh\nhostname -F /etc/hostname\nip link set lo up\n',
  'etc/network': [
    '#!/bin/sh',
    '[ -e /sys/class/net/eth0 ] || exit 0',
    'ip link set eth0 up',
    'exec udhcpc -f -i eth0 -t 5 -T 1 -A 2 -x "hostname:$(hostname)" -s /etc/udhcpc > /var/log/udhcpc 2>&1',
    '',
  ].join('\n'),
  'etc/udhcpc': [
    '#!/bin/sh',
    '# What udhcpc tells: $1 is the event; the lease is in the environment.',
    'case "$1" in',
    '  deconfig) ip -4 addr flush dev "$interface"; ip link set "$interface" up ;;',
    '  bound|renew)',
    '    ip -4 addr replace "$ip/$mask" dev "$interface"',
    '    for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done',
    '    {',
    '      [ -z "$domain" ] || echo "search $domain"',
    '      for server in $dns; do echo "nameserver $server"; done',
    '    } > /etc/resolv.conf ;;',
    'esac',
    '',
  ].join('\n'),
};
const programs = ['etc/rc', 'etc/network', 'etc/udhcpc'];
const folders = ['dev', 'mnt', 'opt', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'usr/bin', 'usr/sbin', 'var/log'];

const makeRoot = (rootfs: string): void => {
  for (const folder of ['bin', 'sbin', 'etc', ...folders]) mkdirSync(join(rootfs, folder), { recursive: true });
  chmodSync(join(rootfs, 'tmp'), 0o1777);
  chmodSync(join(rootfs, 'root'), 0o700);
  copyFileSync(busybox, join(rootfs, 'bin/busybox'));
  chmodSync(join(rootfs, 'bin/busybox'), 0o755);
  for (const applet of run(busybox, ['--list']).split('\n').filter(Boolean)) {
    if (applet !== 'busybox') symlinkSync('busybox', join(rootfs, 'bin', applet));
  }
  symlinkSync('../bin/busybox', join(rootfs, 'sbin/init'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(rootfs, path)), { recursive: true });
    writeFileSync(join(rootfs, path), text);
  }
  for (const path of programs) chmodSync(join(rootfs, path), 0o755);
  chmodSync(join(rootfs, 'etc/shadow'), 0o600);
};

export interface BusyboxImage {
  /** One archive with everything. */
  readonly unified: string;
  /** The same as two files. */
  readonly metadata: string;
  readonly rootfs: string;
}

/** The paths of the image's files; builds them where they are not in the cache. */
export const busyboxImage = (): BusyboxImage => {
  const created = Math.floor(statSync(busybox).mtimeMs / 1000);
  const sources = ['busybox.ts', 'build.ts'].map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'));
  const folder = cached('busybox', [...sources, String(created), architecture], (work) => {
    const rootfs = join(work, 'rootfs');
    makeRoot(rootfs);
    writeMetadata(work, created, { os: 'BusyBox', release: 'static', description: 'BusyBox, for tests' });
    tar(join(work, 'busybox.tar.gz'), work, ['metadata.yaml', 'templates', 'rootfs'], created, 'gzip -9n');
    tar(join(work, 'metadata.tar.xz'), work, ['metadata.yaml', 'templates'], created, 'xz -T1');
    squash(join(work, 'rootfs.squashfs'), rootfs, created, ['-all-root', '-comp', 'xz']);
    rmSync(rootfs, { recursive: true });
  });
  return {
    unified: join(folder, 'busybox.tar.gz'),
    metadata: join(folder, 'metadata.tar.xz'),
    rootfs: join(folder, 'rootfs.squashfs'),
  };
};

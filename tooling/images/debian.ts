/** A full system for tests: Debian with systemd as its init, made by debootstrap from Debian's own packages. */
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { architecture, cached, run, squash, tar, writeMetadata } from './build.ts';

const suite = 'bookworm';
const packages = ['systemd-sysv', 'systemd-resolved', 'libnss-resolve', 'udev', 'dbus', 'iproute2', 'iputils-ping'];

const configure = (rootfs: string): void => {
  writeFileSync(join(rootfs, 'etc/systemd/network/eth0.network'), '[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n');
  run('chroot', [rootfs, 'systemctl', 'enable', 'systemd-networkd.service', 'systemd-resolved.service']);
  rmSync(join(rootfs, 'etc/resolv.conf'), { force: true });
  symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(rootfs, 'etc/resolv.conf'));
  // Every instance makes its own identity at its first boot (machine-id(5)).
  writeFileSync(join(rootfs, 'etc/machine-id'), '');
  rmSync(join(rootfs, 'var/lib/dbus/machine-id'), { force: true });
  for (const path of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man', 'usr/share/locale']) {
    rmSync(join(rootfs, path), { recursive: true, force: true });
  }
};

export interface DebianImage {
  readonly metadata: string;
  readonly rootfs: string;
}

/** The paths of the image's two files; builds them (about a minute) where they are not in the cache. Needs root. */
export const debianImage = (): DebianImage => {
  const sources = ['debian.ts', 'build.ts'].map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'));
  const folder = cached('debian', [...sources, architecture], (work) => {
    const rootfs = join(work, 'rootfs');
    run('debootstrap', ['--variant=minbase', `--include=${packages.join(',')}`, suite, rootfs]);
    configure(rootfs);
    const created = Math.floor(Date.now() / 1000);
    writeMetadata(work, created, { os: 'Debian', release: suite, description: `Debian ${suite}, for tests` });
    tar(join(work, 'metadata.tar.xz'), work, ['metadata.yaml', 'templates'], created, 'xz -T1');
    squash(join(work, 'rootfs.squashfs'), rootfs, created, ['-comp', 'zstd', '-Xcompression-level', '3']);
    rmSync(rootfs, { recursive: true });
  });
  return { metadata: join(folder, 'metadata.tar.xz'), rootfs: join(folder, 'rootfs.squashfs') };
};

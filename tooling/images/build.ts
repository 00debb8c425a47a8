/** What the image builders share: a cache that survives concurrent builds, metadata, packing. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const cache = join(import.meta.dirname, '../../.cache/images');

/** The name of this machine's architecture in image metadata. */
export const architecture: string =
  new Map<string, string>([
    ['x64', 'x86_64'],
    ['arm64', 'aarch64'],
  ]).get(process.arch) ?? process.arch;

/**
 * The folder with what `build` makes, from the cache when it is there for these very inputs.
 *
 * @param name - begins the folder's name
 * @param inputs - all that the result depends on
 * @param build - fills an empty folder
 */
export const cached = (name: string, inputs: readonly string[], build: (folder: string) => void): string => {
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
  const folder = join(cache, `${name}-${key}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, `.${name}-`));
  try {
    build(work);
    renameSync(work, folder);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    // Another process finished the same image first: its folder is as good.
    if (!existsSync(folder)) throw error;
  }
  return folder;
};

export const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 << 20 });

const templates = {
  '/etc/hostname': ['hostname.tpl', '{{ container.name }}\n'],
  '/etc/hosts': [
    'hosts.tpl',
    '127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n::1\tlocalhost ip6-localhost ip6-loopback\n',
  ],
} as const;

/**
 * Writes metadata.yaml and the templates for a host name into `folder` (LXD's image format).
 *
 * @param created - Unix time in seconds
 */
export const writeMetadata = (folder: string, created: number, properties: Record<string, string>): void => {
  const metadata = {
    architecture,
    creation_date: created,
    properties: { architecture, ...properties },
    templates: Object.fromEntries(
      Object.entries(templates).map(([path, [template]]) => [path, { when: ['create', 'copy'], template }]),
    ),
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'metadata.yaml'), `${JSON.stringify(metadata, null, 2)}\n`);
  mkdirSync(join(folder, 'templates'));
  for (const [name, text] of Object.values(templates)) writeFileSync(join(folder, 'templates', name), text);
};

/**
 * Packs files into a tar archive, the same bytes for the same contents.
 *
 * @param compress - a compressor with its arguments, as `gzip -n`
 */
export const tar = (archive: string, folder: string, names: string[], created: number, compress: string): void => {
  const same = ['--sort=name', `--mtime=@${created}`, '--owner=0', '--group=0', '--numeric-owner'];
  run('tar', ['-C', folder, ...same, '-I', compress, '-cf', archive, ...names]);
};

/** Packs a root file system into a squashfs image, the same bytes for the same contents. */
export const squash = (image: string, rootfs: string, created: number, options: string[] = []): void => {
  const same = ['-mkfs-time', String(created), '-all-time', String(created), '-noappend', '-quiet', '-no-progress'];
  run('mksquashfs', [rootfs, image, ...same, ...options]);
};

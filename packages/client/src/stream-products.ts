/** The product lists of a simple streams server, and what LXD can use of them in the form of the LXD API. */

/** An image of a simple streams server. */
export interface StreamImage {
  /** SHA-256 over all its files, hexadecimal. */
  fingerprint: string;
  /** Bytes of all its files. */
  size: number;
  architecture: string;
  type: 'container' | 'virtual-machine';
  properties: Record<string, string>;
  /** Those of the product, on its newest version only. */
  aliases: string[];
  created_at: string;
  expires_at: string;
  /** Where its files are, below the server's URL: one if it is unified, else the metadata and then the root file system. */
  files: { path: string; sha256: string; size: number }[];
}

interface Item {
  ftype: string;
  path: string;
  sha256?: string;
  size: number;
  combined_sha256?: string;
  combined_rootxz_sha256?: string;
  combined_squashfs_sha256?: string;
  'combined_disk-kvm-img_sha256'?: string;
  'combined_disk1-img_sha256'?: string;
  'combined_uefi1-img_sha256'?: string;
}

interface Version {
  label?: string;
  items: Record<string, Item>;
}

/** One product; fields that LXD has no use for are left out. */
export interface Product {
  /** Separated by commas. */
  aliases?: string;
  /** Debian's name of the architecture. */
  arch: string;
  os?: string;
  release?: string;
  release_title?: string;
  variant?: string;
  version?: string;
  /** A date. */
  support_eol?: string;
  requirements?: Record<string, string>;
  versions: Record<string, Version>;
}

/** Debian's names of architectures, and LXD's. */
const architectures: Record<string, string> = {
  amd64: 'x86_64',
  i386: 'i686',
  arm64: 'aarch64',
  armhf: 'armv7l',
  armel: 'armv6l',
  ppc64el: 'ppc64le',
  powerpc: 'ppc',
};

/** Which root file systems an image may have, the preferred first, with the metadata's fields that hash both. */
const roots: { ftype: string; hashes: (keyof Item)[]; type: StreamImage['type'] }[] = [
  { ftype: 'squashfs', hashes: ['combined_squashfs_sha256'], type: 'container' },
  { ftype: 'root.tar.xz', hashes: ['combined_rootxz_sha256', 'combined_sha256'], type: 'container' },
  { ftype: 'disk-kvm.img', hashes: ['combined_disk-kvm-img_sha256'], type: 'virtual-machine' },
  { ftype: 'uefi1.img', hashes: ['combined_uefi1-img_sha256'], type: 'virtual-machine' },
  { ftype: 'disk1.img', hashes: ['combined_disk1-img_sha256'], type: 'virtual-machine' },
];

const never = '0001-01-01T00:00:00Z';

/** The time a version's name stands for: `20231114` or `20231114_12:00`. */
const versionTime = (name: string): string => {
  const [, year, month, day, hour = '00', minute = '00'] = /^(\d{4})(\d\d)(\d\d)(?:_(\d\d):?(\d\d))?/.exec(name) ?? [];
  return year === undefined ? never : `${year}-${month}-${day}T${hour}:${minute}:00Z`;
};

/** The files of a version that make an image: kind, fingerprint and type, one of each type. */
const variantsOf = (
  items: readonly Item[],
): { ftype: string; type: StreamImage['type']; hash: string; files: Item[] }[] => {
  const unified = items.find(({ ftype }) => ftype === 'lxd_combined.tar.gz');
  if (unified?.sha256) return [{ ftype: unified.ftype, type: 'container', hash: unified.sha256, files: [unified] }];
  const metadata = items.find(({ ftype }) => ftype === 'lxd.tar.xz');
  if (metadata === undefined) return [];
  const all = roots.flatMap(({ ftype, hashes, type }) => {
    const root = items.find((item) => item.ftype === ftype);
    const hash = hashes.map((key) => metadata[key]).find((value) => typeof value === 'string');
    return root && typeof hash === 'string' ? [{ ftype, type, hash, files: [metadata, root] }] : [];
  });
  return all.filter(({ type }, index) => all.findIndex((other) => other.type === type) === index);
};

const propertiesOf = (product: Product, name: string, label: string, ftype: string): Record<string, string> => {
  const { arch, os = '', release = '', release_title: title = release, version, variant, requirements = {} } = product;
  return {
    architecture: arch,
    description: [os, title, arch, label && `(${label})`, `(${name})`].filter((word) => word !== '').join(' '),
    os,
    release,
    serial: name,
    type: ftype,
    ...(label ? { label } : {}),
    ...(version ? { version } : {}),
    ...(variant ? { variant } : {}),
    ...Object.fromEntries(Object.entries(requirements).map(([key, value]) => [`requirements.${key}`, value])),
  };
};

/** All images of a product; each alias stands for the newest version, alone and with the architecture added. */
export const imagesOfProduct = (product: Product): StreamImage[] => {
  const names = Object.keys(product.versions).sort();
  const aliases = (product.aliases ?? '')
    .split(',')
    .map((alias) => alias.trim())
    .filter((alias) => alias !== '')
    .flatMap((alias) => [alias, `${alias}/${product.arch}`]);
  return Object.entries(product.versions).flatMap(([name, { label = '', items }]) =>
    variantsOf(Object.values(items)).map(({ ftype, type, hash, files }) => ({
      fingerprint: hash,
      size: files.reduce((sum, { size }) => sum + size, 0),
      architecture: architectures[product.arch] ?? product.arch,
      type,
      properties: propertiesOf(product, name, label, ftype),
      aliases: name === names.at(-1) ? aliases : [],
      created_at: versionTime(name),
      expires_at: product.support_eol ? `${product.support_eol}T00:00:00Z` : never,
      files: files.map(({ path, sha256 = '', size }) => ({ path, sha256, size })),
    })),
  );
};

/** LXD's names of the architectures that Node runs on. */
const machines: Partial<Record<NodeJS.Architecture, string>> = {
  x64: 'x86_64',
  ia32: 'i686',
  arm64: 'aarch64',
  arm: 'armv7l',
  ppc64: 'ppc64le',
};

/**
 * The image that an alias stands for, or the beginning of a fingerprint.
 *
 * @param machine - the architecture to prefer among several with the same alias, as `process.arch` names it
 */
export const chooseStreamImage = (
  images: readonly StreamImage[],
  name: string,
  type: StreamImage['type'],
  machine: NodeJS.Architecture = process.arch,
): StreamImage | undefined => {
  const named = images.filter((image) => image.type === type && image.aliases.includes(name));
  const preferred = machines[machine] ?? machine;
  return (
    named.find(({ architecture }) => architecture === preferred) ??
    named[0] ??
    images.find(({ fingerprint }) => fingerprint.startsWith(name))
  );
};

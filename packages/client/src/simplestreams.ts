import { readText } from './envelope.ts';
import { ConnectionError } from './errors.ts';

/**
 * An image server that speaks simple streams: static files, an index that leads to lists of products, each product with
 * versions, each version with files. What LXD can use of it is put in the form of the LXD API.
 */

/** An image of a simple streams server. */
export interface StreamImage {
  fingerprint: string;
  /** Bytes of all its files. */
  size: number;
  architecture: string;
  type: 'container' | 'virtual-machine';
  properties: Record<string, string>;
  /** The shortest is usually the best known. */
  aliases: string[];
  created_at: string;
  expires_at: string;
  /** Where its files are, below the server's URL; the metadata first. */
  files: { path: string; sha256: string; size: number }[];
}

interface Index {
  index: Record<string, { datatype: string; path: string }>;
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

interface Product {
  aliases?: string;
  arch: string;
  os?: string;
  release?: string;
  release_codename?: string;
  release_title?: string;
  variant?: string;
  version?: string;
  support_eol?: string;
  supported?: boolean;
  versions: Record<string, { label?: string; items: Record<string, Item> }>;
}

interface Products {
  products: Record<string, Product>;
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
  s390x: 's390x',
  riscv64: 'riscv64',
};

const fetchJson = async <T>(base: string, path: string, redirects = 5): Promise<T> => {
  const https = process.getBuiltinModule('node:https');
  const url = new URL(path, base.endsWith('/') ? base : `${base}/`);
  const auth =
    url.username === '' ? {} : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` };
  const reply = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    https
      .get(url, { headers: { 'user-agent': 'LXD 5.15', accept: 'application/json' }, ...auth }, resolve)
      .on('error', (cause) =>
        reject(new ConnectionError(`Cannot reach the image server at ${base}: ${cause.message}`, '', { cause })),
      );
  });
  const { statusCode = 0, headers } = reply;
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined && redirects > 0) {
    reply.resume();
    return fetchJson(new URL(headers.location, url).toString(), '', redirects - 1);
  }
  const text = await readText(reply);
  if (statusCode !== 200) throw new ConnectionError(`The image server answered ${statusCode} for ${url.pathname}`);
  try {
    // The format is described by the simple streams project; what LXD does not know is passed over.
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new ConnectionError(`The image server sent something that is not JSON for ${url.pathname}`, '', { cause });
  }
};

/** The time a version's name stands for, as `20231114` or `20231114_1200`. */
const versionTime = (name: string): string => {
  const [, year, month, day, hour = '00', minute = '00'] =
    /^(\d{4})(\d\d)(\d\d)(?:_(\d\d)(?::?(\d\d))?)?/.exec(name) ?? [];
  return year === undefined ? '0001-01-01T00:00:00Z' : `${year}-${month}-${day}T${hour}:${minute}:00Z`;
};

/** Which root file systems an image may have, the preferred first, with the metadata's field that hashes both. */
const roots: { ftype: string; hash: keyof Item; type: StreamImage['type'] }[] = [
  { ftype: 'squashfs', hash: 'combined_squashfs_sha256', type: 'container' },
  { ftype: 'root.tar.xz', hash: 'combined_rootxz_sha256', type: 'container' },
  { ftype: 'disk-kvm.img', hash: 'combined_disk-kvm-img_sha256', type: 'virtual-machine' },
  { ftype: 'uefi1.img', hash: 'combined_uefi1-img_sha256', type: 'virtual-machine' },
  { ftype: 'disk1.img', hash: 'combined_disk1-img_sha256', type: 'virtual-machine' },
];

const describe = (product: Product, arch: string, version: string, label: string): string => {
  const { os = '', release_title: title, release = '' } = product;
  const named = title ?? release;
  return `${os.charAt(0).toUpperCase()}${os.slice(1)} ${named} ${arch} ${label === '' ? '' : `(${label}) `}(${version})`.replace(
    ') (',
    ') (',
  );
};

const imagesOf = (product: Product, versionName: string, latest: boolean): StreamImage[] => {
  const version = product.versions[versionName];
  const architecture = architectures[product.arch] ?? product.arch;
  const items = Object.values(version?.items ?? {});
  const metadata = items.find(({ ftype }) => ftype === 'lxd.tar.xz' || ftype === 'lxd_combined.tar.gz');
  if (version === undefined || metadata === undefined) return [];
  const found: StreamImage[] = [];
  for (const { ftype, hash, type } of roots) {
    const root = items.find((item) => item.ftype === ftype);
    const fingerprint = metadata[hash];
    // One of each kind is enough: the first is the preferred one.
    if (root === undefined || typeof fingerprint !== 'string' || found.some((image) => image.type === type)) continue;
    const aliases = latest ? (product.aliases ?? '').split(',').filter((alias) => alias !== '') : [];
    const properties: Record<string, string> = {
      architecture: product.arch,
      description: describe(product, product.arch, versionName, version.label ?? ''),
      os: product.os ?? '',
      release: product.release ?? '',
      serial: versionName,
      type: ftype,
      ...(version.label ? { label: version.label } : {}),
      ...(product.version ? { version: product.version } : {}),
      ...(product.variant ? { variant: product.variant } : {}),
    };
    found.push({
      fingerprint,
      size: metadata.size + root.size,
      architecture,
      type,
      properties,
      aliases: aliases.flatMap((alias) => [alias, `${alias}/${product.arch}`]),
      created_at: versionTime(versionName),
      expires_at: product.support_eol ? `${product.support_eol}T00:00:00Z` : '0001-01-01T00:00:00Z',
      files: [metadata, root].map(({ path, sha256 = '', size }) => ({ path, sha256, size })),
    });
  }
  return found;
};

/** Reads all images of a simple streams server, whose URL must be HTTPS. The newest version of each product bears its aliases. */
export const listStreamImages = async (url: string): Promise<StreamImage[]> => {
  if (!url.startsWith('https://')) throw new ConnectionError('Only https:// is supported for simplestreams');
  const { index } = await fetchJson<Index>(url, 'streams/v1/index.json');
  const lists = Object.values(index).filter(({ datatype }) => datatype === 'image-downloads');
  const products = await Promise.all(lists.map(({ path }) => fetchJson<Products>(url, path)));
  return products.flatMap(({ products: found }) =>
    Object.values(found).flatMap((product) => {
      const versions = Object.keys(product.versions).sort();
      return versions.flatMap((name) => imagesOf(product, name, name === versions.at(-1)));
    }),
  );
};

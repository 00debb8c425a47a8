import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { architectures } from '@lxd-ts/api';
import { badRequest, type InstanceType, messageOf, notFound } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { type ReceivedFiles, saveStream } from './files.ts';
import type { Download, FindRemoteImage, RemoteImage, RemoteSource } from './remote.ts';
import { readText, type Web } from './web.ts';

// The format: https://git.launchpad.net/simplestreams, doc/; the names of LXD's items as image servers publish them.
const index = z.object({
  index: z.record(z.string(), z.object({ path: z.string(), datatype: z.string().default('') })),
});

const item = z.looseObject({
  ftype: z.string(),
  path: z.string(),
  sha256: z.string().default(''),
  size: z.number().default(0),
});
type Item = z.infer<typeof item>;

const product = z.looseObject({
  aliases: z.string().default(''),
  arch: z.string().default(''),
  os: z.string().default(''),
  release: z.string().default(''),
  release_title: z.string().default(''),
  variant: z.string().default(''),
  version: z.string().default(''),
  support_eol: z.string().default(''),
  requirements: z.record(z.string(), z.string()).default({}),
  versions: z
    .record(z.string(), z.object({ label: z.string().default(''), items: z.record(z.string(), item) }))
    .default({}),
});
type Product = z.infer<typeof product>;
const products = z.object({ datatype: z.string().default(''), products: z.record(z.string(), product) });

/** LXD's name of an architecture that a stream names as Debian does. */
const architectureOf = (name: string): string =>
  architectures.find((one) => one.name === name || one.aliases.some((alias) => alias === name))?.name ?? name;

/** Root file systems a container or machine can be made of, best first: the item's type, and the key of the joint hash. */
const rootTypes: readonly { ftype: string; hash: string; type: InstanceType }[] = [
  { ftype: 'squashfs', hash: 'combined_squashfs_sha256', type: 'container' },
  { ftype: 'root.tar.xz', hash: 'combined_rootxz_sha256', type: 'container' },
  { ftype: 'disk-kvm.img', hash: 'combined_disk-kvm-img_sha256', type: 'virtual-machine' },
  { ftype: 'uefi1.img', hash: 'combined_uefi1-img_sha256', type: 'virtual-machine' },
  { ftype: 'disk1.img', hash: 'combined_disk1-img_sha256', type: 'virtual-machine' },
];

/** One image of a stream: a version of a product, of one type. */
interface StreamImage {
  readonly product: Product;
  readonly version: string;
  readonly label: string;
  readonly architecture: string;
  readonly type: InstanceType;
  readonly fingerprint: string;
  readonly metadata: Item;
  /** Absent when the image is unified. */
  readonly rootfs?: Item;
}

const imagesOf = (one: Product): StreamImage[] =>
  Object.entries(one.versions).flatMap(([version, { label, items }]): StreamImage[] => {
    const all = Object.values(items);
    const base = { product: one, version, label, architecture: architectureOf(one.arch) };
    const unified = all.find(({ ftype }) => ftype === 'lxd_combined.tar.gz');
    if (unified?.sha256) return [{ ...base, type: 'container', fingerprint: unified.sha256, metadata: unified }];
    const metadata = all.find(({ ftype }) => ftype === 'lxd.tar.xz');
    if (!metadata) return [];
    return rootTypes.flatMap(({ ftype, hash, type }) => {
      const rootfs = all.find((candidate) => candidate.ftype === ftype);
      const fingerprint = metadata[hash] ?? (ftype === 'root.tar.xz' ? metadata['combined_sha256'] : undefined);
      return rootfs && typeof fingerprint === 'string' ? [{ ...base, type, fingerprint, metadata, rootfs }] : [];
    });
  });

const aliasesOf = ({ product: { aliases, arch } }: StreamImage): string[] =>
  aliases
    .split(',')
    .map((alias) => alias.trim())
    .filter(Boolean)
    .flatMap((alias) => [alias, `${alias}/${arch}`]);

const propertiesOf = ({ product: one, version, label, architecture, type }: StreamImage): Record<string, string> => ({
  architecture,
  os: one.os,
  release: one.release,
  ...(one.version ? { version: one.version } : {}),
  ...(one.variant ? { variant: one.variant } : {}),
  ...(label ? { label } : {}),
  serial: version,
  type: type === 'container' ? 'squashfs' : 'disk-kvm.img',
  description: [one.os, one.release_title || one.release, one.arch, label && `(${label})`, `(${version})`]
    .filter(Boolean)
    .join(' '),
  ...Object.fromEntries(Object.entries(one.requirements).map(([key, value]) => [`requirements.${key}`, value])),
});

/**
 * Finds images on simple streams servers.
 *
 * @param architecturesHere - what this machine runs, the best first
 */
export const createSimplestreams = (web: Web, architecturesHere: readonly string[]): FindRemoteImage => {
  const base = ({ server }: RemoteSource): string => {
    if (!server.startsWith('https://'))
      throw badRequest(`Invalid server "${server}": simple streams are read over https:// alone`);
    return server.replace(/\/+$/, '');
  };

  const read = async <T>(
    source: RemoteSource,
    path: string,
    schema: z.ZodType<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    const url = `${base(source)}/${path}`;
    const text = await readText(await web.request(url, { certificate: source.certificate, signal }));
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw badRequest(`"${url}" is not a simple stream: ${messageOf(error)}`, { cause: error });
    }
  };

  const choose = (images: readonly StreamImage[], source: RemoteSource): StreamImage | undefined => {
    const named = images.filter((image) => {
      if (source.type !== '' && image.type !== source.type) return false;
      return source.alias ? aliasesOf(image).includes(source.alias) : image.fingerprint.startsWith(source.fingerprint);
    });
    const rank = ({ architecture }: StreamImage): number => {
      const at = architecturesHere.indexOf(architecture);
      return at < 0 ? architecturesHere.length : at;
    };
    // The newest version of the best architecture; containers before machines when nothing is said.
    return named.toSorted(
      (a, b) =>
        rank(a) - rank(b) ||
        a.type.localeCompare(b.type) ||
        (a.version < b.version ? 1 : a.version > b.version ? -1 : 0),
    )[0];
  };

  const fetchItem = async (
    source: RemoteSource,
    part: Item,
    stage: 'metadata' | 'rootfs',
    file: string,
    hash: ReturnType<typeof createHash>,
    { signal, progress }: Download,
  ): Promise<number> => {
    const url = `${base(source)}/${part.path}`;
    const body = await web.request(url, { certificate: source.certificate, signal });
    return saveStream(body, file, hash, (bytes) => progress?.(stage, bytes, part.size || undefined));
  };

  const download = async (
    source: RemoteSource,
    image: StreamImage,
    directory: string,
    options: Download,
  ): Promise<ReceivedFiles> => {
    const hash = createHash('sha256');
    const main = join(directory, 'main');
    const rootfs = join(directory, 'rootfs');
    let size = await fetchItem(source, image.metadata, 'metadata', main, hash, options);
    if (image.rootfs) size += await fetchItem(source, image.rootfs, 'rootfs', rootfs, hash, options);
    const fingerprint = hash.digest('hex');
    if (fingerprint !== image.fingerprint)
      throw badRequest(`fingerprints don't match, got ${fingerprint} expected ${image.fingerprint}`);
    const filename = (image.rootfs ?? image.metadata).path.replace(/^.*\//, '');
    return { main, ...(image.rootfs ? { rootfs } : {}), fingerprint, size, filename };
  };

  return async (source, signal): Promise<RemoteImage> => {
    const { index: entries } = await read(source, 'streams/v1/index.json', index, signal);
    const paths = Object.values(entries).filter(({ datatype }) => datatype === 'image-downloads');
    const streams = await Promise.all(paths.map(({ path }) => read(source, path, products, signal)));
    const images = streams.flatMap((stream) => Object.values(stream.products).flatMap(imagesOf));
    const image = choose(images, source);
    if (!image) throw notFound(`Image "${source.alias || source.fingerprint}" not found on ${source.server}`);
    const eol = new Date(image.product.support_eol);
    return {
      fingerprint: image.fingerprint,
      type: image.type,
      properties: propertiesOf(image),
      expiresAt: Number.isNaN(eol.getTime()) ? undefined : eol,
      aliases: aliasesOf(image).map((name) => ({ name, description: '' })),
      download: (directory, options) => download(source, image, directory, options),
    };
  };
};

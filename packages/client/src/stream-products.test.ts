import { describe, expect, it } from 'vitest';
import { chooseStreamImage, imagesOfProduct, type Product } from './stream-products.ts';

const item = (ftype: string, size: number, more: object = {}) => ({
  ftype,
  path: `images/x/${ftype}`,
  sha256: `sha-${ftype}`,
  size,
  ...more,
});

const jammy: Product = {
  aliases: '22.04, jammy,default',
  arch: 'amd64',
  os: 'ubuntu',
  release: 'jammy',
  release_title: '22.04 LTS',
  version: '22.04',
  support_eol: '2027-06-01',
  versions: {
    '20231026': {
      label: 'release',
      items: {
        'lxd.tar.xz': item('lxd.tar.xz', 10, { combined_squashfs_sha256: 'old' }),
        squashfs: item('squashfs', 100),
      },
    },
    '20231114_07:42': {
      label: 'release',
      items: {
        'disk1.img': item('disk1.img', 1000),
        'lxd.tar.xz': item('lxd.tar.xz', 10, {
          combined_squashfs_sha256: 'of-squashfs',
          combined_rootxz_sha256: 'of-rootxz',
          'combined_disk1-img_sha256': 'of-disk1',
        }),
        'root.tar.xz': item('root.tar.xz', 200),
        squashfs: item('squashfs', 100),
        'a.manifest': item('manifest', 1),
      },
    },
  },
};

describe('the products of a simple streams server', () => {
  it('give a container and a VM for each version, with the preferred root file system', () => {
    const images = imagesOfProduct(jammy);
    expect(images.map(({ fingerprint, type, size }) => [fingerprint, type, size])).toEqual([
      ['old', 'container', 110],
      ['of-squashfs', 'container', 110],
      ['of-disk1', 'virtual-machine', 1010],
    ]);
    expect(images[1]?.files).toEqual([
      { path: 'images/x/lxd.tar.xz', sha256: 'sha-lxd.tar.xz', size: 10 },
      { path: 'images/x/squashfs', sha256: 'sha-squashfs', size: 100 },
    ]);
  });

  it('give aliases to the newest version only', () => {
    expect(imagesOfProduct(jammy).map(({ aliases }) => aliases.length)).toEqual([0, 6, 6]);
    expect(imagesOfProduct(jammy)[1]?.aliases).toEqual([
      '22.04',
      '22.04/amd64',
      'jammy',
      'jammy/amd64',
      'default',
      'default/amd64',
    ]);
  });

  it('are described as LXD describes images', () => {
    const [, image] = imagesOfProduct(jammy);
    expect(image).toMatchObject({
      architecture: 'x86_64',
      created_at: '2023-11-14T07:42:00Z',
      expires_at: '2027-06-01T00:00:00Z',
      properties: {
        architecture: 'amd64',
        description: 'ubuntu 22.04 LTS amd64 (release) (20231114_07:42)',
        label: 'release',
        os: 'ubuntu',
        release: 'jammy',
        serial: '20231114_07:42',
        type: 'squashfs',
        version: '22.04',
      },
    });
  });

  it('may be unified, or without anything that LXD can use', () => {
    const unified: Product = {
      arch: 'riscv64',
      versions: { v1: { items: { a: item('lxd_combined.tar.gz', 5) } } },
    };
    expect(imagesOfProduct(unified)).toMatchObject([
      { fingerprint: 'sha-lxd_combined.tar.gz', architecture: 'riscv64', created_at: '0001-01-01T00:00:00Z' },
    ]);
    expect(imagesOfProduct({ arch: 'amd64', versions: { v1: { items: { a: item('squashfs', 5) } } } })).toEqual([]);
  });

  it('are found by alias for the own architecture, or by fingerprint', () => {
    const images = [...imagesOfProduct({ ...jammy, arch: 'arm64' }), ...imagesOfProduct(jammy)];
    const choose = (...args: [string, 'container' | 'virtual-machine', NodeJS.Architecture]) => {
      const image = chooseStreamImage(images, ...args);
      return image && `${image.fingerprint} ${image.architecture}`;
    };
    expect(choose('jammy', 'container', 'x64')).toBe('of-squashfs x86_64');
    expect(choose('jammy', 'virtual-machine', 'arm64')).toBe('of-disk1 aarch64');
    expect(choose('jammy', 'container', 's390x')).toBe('of-squashfs aarch64');
    expect(choose('jammy/amd64', 'container', 'arm64')).toBe('of-squashfs x86_64');
    expect(choose('ol', 'container', 'x64')).toBe('old aarch64');
    expect(choose('focal', 'container', 'x64')).toBeUndefined();
  });
});

/** The file systems of block volumes, read from their super blocks: no process, no mount. */
import { open } from 'node:fs/promises';

/** The file systems that a block-backed volume can have. */
export const blockFilesystems = ['btrfs', 'ext4', 'xfs'] as const;
export type BlockFilesystem = (typeof blockFilesystems)[number];

export interface Superblock {
  readonly kind: BlockFilesystem;
  /** The UUID as text, that of mount tables and blkid. */
  readonly uuid: string;
  /** Bytes, as of the last time the file system was written back: of a mounted one ask statfs(2). */
  readonly total: number;
  readonly used: number;
  /** ext4: the UUID can change without a rewrite of all checksums (feature metadata_csum_seed). */
  readonly seeded: boolean;
}

const uuidText = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

// Documentation/filesystems/ext4/super.rst
const ext4 = (disk: Buffer): Superblock | undefined => {
  const block = disk.subarray(1024);
  if (block.readUInt16LE(0x38) !== 0xef53) return undefined;
  const features = block.readUInt32LE(0x60);
  const large = (features & 0x80) !== 0;
  const count = (low: number, high: number): number =>
    block.readUInt32LE(low) + (large ? block.readUInt32LE(high) * 2 ** 32 : 0);
  const size = 1024 << block.readUInt32LE(0x18);
  const total = count(0x4, 0x150) * size;
  return {
    kind: 'ext4',
    uuid: uuidText(block.subarray(0x68, 0x78)),
    total,
    // What the file system keeps for itself is not counted, as statfs does it.
    used: Math.max(0, total - count(0xc, 0x158) * size - block.readUInt32LE(0x248) * size),
    seeded: (features & 0x2000) !== 0,
  };
};

// xfsprogs, xfs_db(8) "sb"; all numbers are big endian
const xfs = (disk: Buffer): Superblock | undefined => {
  if (disk.toString('latin1', 0, 4) !== 'XFSB') return undefined;
  const size = disk.readUInt32BE(4);
  const total = Number(disk.readBigUInt64BE(8)) * size;
  const used = total - Number(disk.readBigUInt64BE(144)) * size;
  return { kind: 'xfs', uuid: uuidText(disk.subarray(32, 48)), total, used, seeded: false };
};

// btrfs.readthedocs.io, "On-disk format", superblock at 64 KiB
const btrfs = (disk: Buffer): Superblock | undefined => {
  const block = disk.subarray(0x10000);
  if (block.toString('latin1', 0x40, 0x48) !== '_BHRfS_M') return undefined;
  return {
    kind: 'btrfs',
    uuid: uuidText(block.subarray(0x20, 0x30)),
    total: Number(block.readBigUInt64LE(0x70)),
    used: Number(block.readBigUInt64LE(0x78)),
    seeded: false,
  };
};

/**
 * What file system is on a device or in a file.
 *
 * @returns undefined when there is none of `blockFilesystems`
 */
export const readSuperblock = async (path: string): Promise<Superblock | undefined> => {
  await using file = await open(path, 'r');
  const disk = Buffer.alloc(0x10000 + 4096);
  await file.read(disk, 0, disk.length, 0);
  return xfs(disk) ?? btrfs(disk) ?? ext4(disk);
};

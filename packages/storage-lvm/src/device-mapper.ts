/**
 * The status of device-mapper devices, asked of the kernel by ioctl(2) on `/dev/mapper/control`: no process is started.
 * Structures: linux/dm-ioctl.h. Status lines: Documentation/admin-guide/device-mapper/thin-provisioning.rst and snapshot.rst.
 */
import { open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { ioctl } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';

const headerSize = 312;
const bufferSize = 16_384;
/** _IOWR(0xfd, 12, struct dm_ioctl) */
const DM_TABLE_STATUS = 0xc138fd0c;
const sector = 512;
/** The kernel's numbers are in its own order of bytes, little on all but s390x. */
const little = endianness() === 'LE';

const readU32 = (buffer: Buffer, at: number): number => (little ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at));
const writeU32 = (buffer: Buffer, value: number, at: number): number =>
  little ? buffer.writeUInt32LE(value, at) : buffer.writeUInt32BE(value, at);

export interface TargetStatus {
  /** `thin-pool`, `thin`, `snapshot`, … */
  readonly type: string;
  /** Bytes of the device that the target serves. */
  readonly length: number;
  /** The words of its status line. */
  readonly words: readonly string[];
}

/**
 * The status of a device's first target.
 *
 * @param name - the device-mapper name, as in `/dev/mapper`
 * @returns undefined when there is no such device, or it has no target
 */
export const targetStatus = async (name: string): Promise<TargetStatus | undefined> => {
  const buffer = Buffer.alloc(bufferSize);
  // struct dm_ioctl: version[3], data_size, data_start, target_count, open_count, flags, event_nr, padding, dev, name[128], …
  writeU32(buffer, 4, 0);
  writeU32(buffer, bufferSize, 12);
  writeU32(buffer, headerSize, 16);
  buffer.write(name, 48, 127);
  try {
    await using control = await open('/dev/mapper/control', 'r+');
    ioctl(control.fd, DM_TABLE_STATUS, buffer, name);
  } catch (error) {
    if (isErrno(error, 'ENXIO', 'ENOENT', 'ENODEV')) return undefined;
    throw error;
  }
  if (readU32(buffer, 20) === 0) return undefined;
  // struct dm_target_spec: sector_start (8), length (8), status (4), next (4), target_type[16], then the line
  const at = readU32(buffer, 16);
  const text = (from: number): string => buffer.toString('utf8', from, buffer.indexOf(0, from));
  const length = little ? buffer.readBigUInt64LE(at + 8) : buffer.readBigUInt64BE(at + 8);
  return {
    type: text(at + 24),
    length: Number(length) * sector,
    words: text(at + 40)
      .trim()
      .split(/\s+/),
  };
};

/**
 * Used and total bytes of a thin pool's data.
 *
 * @param name - the device-mapper name of the pool proper, `<group>-<pool>-tpool`
 */
export const thinPoolUsage = async (name: string): Promise<{ used: number; total: number } | undefined> => {
  const status = await targetStatus(name);
  // <transaction id> <used metadata>/<total metadata> <used data blocks>/<total data blocks> …
  const [used, blocks] = (status?.type === 'thin-pool' ? (status.words[2] ?? '') : '').split('/').map(Number);
  if (!status || used === undefined || !blocks) return undefined;
  return { used: Math.round(used * (status.length / blocks)), total: status.length };
};

/** The bytes that are mapped for a thin volume: those it has taken from its pool, shared ones included. */
export const thinUsage = async (name: string): Promise<number | undefined> => {
  const status = await targetStatus(name);
  const mapped = status?.type === 'thin' ? Number(status.words[0]) : Number.NaN;
  return Number.isNaN(mapped) ? undefined : mapped * sector;
};

/** Whether a snapshot of a thick volume has run full: what it kept is lost then. */
export const isLostSnapshot = async (name: string): Promise<boolean> => {
  const status = await targetStatus(name);
  return status?.type === 'snapshot' && /^(Invalid|Overflow)$/.test(status.words[0] ?? '');
};

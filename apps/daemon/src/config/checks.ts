/** Checks of configuration values that are LXD's own (see `ConfigKey.check`). */
import { architectures } from '@lxd-ts/api/architectures';
import { parseBitSize } from '@lxd-ts/api/units';
import { badRequest, type Check, each, isIdRange, messageOf, must, parseSize } from '@lxd-ts/driver-kit';
import { parseIdMapLines } from '@lxd-ts/host';
import { imageCompressions, isImageCompression } from '../core/compression.ts';

const isWhole = (text: string): boolean => /^\d+$/.test(text);

/** Takes what `parse` throws as the reason why the value is refused. */
const parses =
  (parse: (value: string) => unknown, fragment: string): Check =>
  (value) => {
    try {
      parse(value);
    } catch (error) {
      throw badRequest(`${fragment} (${messageOf(error)})`, { cause: error });
    }
  };

/** `limits.cpu` (spec 03.63, 03.64): a count, or a set of CPUs. */
export const isCpuLimit = must(
  (value) => value.split(',').every((part) => isWhole(part) || /^\d+-\d+$/.test(part)),
  'must be a number of CPUs such as 4, or a set such as 0-3 or 1,2,3',
);

/** `limits.cpu.allowance` (spec 03.77). */
export const isCpuAllowance = must(
  (value) => /^\d+%$/.test(value) || /^\d+ms\/[1-9]\d*ms$/.test(value),
  'must be a percentage such as 50%, or a time such as 25ms/100ms',
);

/** `limits.cpu.nodes` (spec 03.81). */
export const isNumaNodes = each(isIdRange);

/** `limits.memory` (spec 03.84). */
export const isMemoryLimit = parses((value) => {
  const amount = /^\d+%$/.test(value) ? Number(value.slice(0, -1)) : parseSize(value);
  if (amount === 0) throw badRequest('it is zero');
}, 'must be a size such as 512MiB, or a percentage of the host memory such as 50%');

/** `limits.kernel.*` (spec 03.99). */
export const isResourceLimit = must(
  (value) => /^(?:\d+|unlimited)(?::(?:\d+|unlimited))?$/.test(value),
  'must be a number or unlimited, or a soft and a hard limit such as 1000:2000',
);

/** A rate in bits per second (spec 03.367). */
export const isBitRate = parses(parseBitSize, 'must be bits per second such as 10Mbit');

/** `limits.read` and `limits.write` of disks (spec 03.316). */
export const isDiskRate = parses((value) => {
  if (!/^\d+iops$/.test(value)) parseSize(value);
}, 'must be bytes per second such as 30MB, or a rate of operations such as 500iops');

/** `raw.idmap` (spec 09 IDM-07). */
export const isIdMap = parses(
  parseIdMapLines,
  'must be lines such as "both 1000 1000", "uid 50-60 500-510" or "gid 1000 1000"',
);

/** Compression programs, with their own flags behind them where they take some. */
export const isCompression = must(isImageCompression, `must be one of ${imageCompressions.join(', ')}`);

export const architectureNames: readonly string[] = architectures.map(({ name }) => name);

/** `restricted.networks.subnets`: an uplink and a subnet each. */
export const isUplinkSubnet = must(
  (value) => /^[^:]+:[0-9a-fA-F.:]+\/\d+$/.test(value),
  'must be of the form <uplink network>:<subnet>',
);

/** `storage.backups_volume` and `storage.images_volume`. */
export const isPoolVolume = must((value) => /^[^/]+\/[^/]+$/.test(value), 'must be of the form <pool>/<volume>');

export const isUsbId = must((value) => /^[0-9a-f]{4}$/.test(value), 'must be four lower-case hexadecimal digits');

export const isPciAddress = must(
  (value) => /^(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$/.test(value),
  'must be a PCI address such as 0000:00:1f.2',
);

export const isUuid = must(
  (value) => /^(?:MIG-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
  'must be a UUID',
);

export const isPem = must(
  (value) => /^\s*-----BEGIN CERTIFICATE-----\s[\s\S]*-----END CERTIFICATE-----\s*$/.test(value),
  'must be an X.509 certificate in PEM form',
);

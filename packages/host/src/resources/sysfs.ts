import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { release } from 'node:os';
import { basename, join } from 'node:path';
import { isErrno } from '../errno.ts';

// Attributes come and go with drivers: missing, not for this device, not now, or for other powers only.
const absent = ['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO', 'EINVAL', 'EIO', 'EOPNOTSUPP', 'EACCES', 'EPERM', 'EAGAIN'];

function ifPresent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, ...absent)) return undefined;
    throw error;
  }
}

/** The text of an attribute without white space around it; undefined when the device has none. */
export function readText(...path: string[]): string | undefined {
  const text = ifPresent(() => readFileSync(join(...path), 'utf8').trim());
  return text === '' ? undefined : text;
}

/** A decimal, or with `0x` hexadecimal, attribute; undefined when the device has none. */
export function readNumber(...path: string[]): number | undefined {
  const text = readText(...path);
  const value = Number(text);
  return text === undefined || Number.isNaN(value) ? undefined : value;
}

export function readBytes(...path: string[]): Buffer | undefined {
  return ifPresent(() => readFileSync(join(...path)));
}

// One collator for all comparisons: making one is what takes the time.
const { compare: natural } = new Intl.Collator('en', { numeric: true });

/** The names in a directory, in natural order (`cpu2` before `cpu10`); none when it does not exist. */
export function listNames(...path: string[]): string[] {
  const names = ifPresent(() => readdirSync(join(...path))) ?? [];
  return names.sort(natural);
}

/** The last part of what a symlink points to, such as the name of a device's driver. */
export function linkName(...path: string[]): string | undefined {
  const target = ifPresent(() => readlinkSync(join(...path)));
  return target && basename(target);
}

/** The real place of a device in /sys/devices. */
export function realPlace(...path: string[]): string | undefined {
  return ifPresent(() => realpathSync(join(...path)));
}

/** The memory node of a device; devices that belong to none (-1) are counted to the first. */
export function numaNode(device: string): number {
  return Math.max(0, readNumber(device, 'numa_node') ?? 0);
}

/** A driver's version: its own, or that of the kernel it came with. */
export function driverVersion(driver: string | undefined): string {
  if (driver === undefined) return '';
  return readText('/sys/module', driver, 'version') ?? release();
}

/** Numbers of a list as the kernel writes it: `0-2,5`. */
export function parseList(text: string | undefined): number[] {
  return (text ?? '')
    .split(',')
    .filter(Boolean)
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** The PCI address (`0000:00:02.0`) or USB address (`1:3`) at which a device, or one it sits on, is plugged in. */
export function busAddress(device: string): { pci_address?: string; usb_address?: string } {
  const place = realPlace(device);
  if (place === undefined) return {};
  const parts = place.split('/');
  for (let length = parts.length; length > 3; length--) {
    const level = parts.slice(0, length).join('/');
    const subsystem = linkName(level, 'subsystem');
    const [bus, number] = [readNumber(level, 'busnum'), readNumber(level, 'devnum')];
    if (subsystem === 'usb' && bus !== undefined && number !== undefined) return { usb_address: `${bus}:${number}` };
    if (subsystem === 'pci') return { pci_address: basename(level) };
  }
  return {};
}

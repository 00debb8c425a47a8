import { readText } from './sysfs.ts';

export interface SystemResources {
  uuid: string;
  vendor: string;
  product: string;
  family: string;
  version: string;
  sku: string;
  serial: string;
  type: 'physical' | 'virtual-machine' | 'container';
  firmware: { vendor: string; date: string; version: string } | null;
  chassis: { vendor: string; type: string; serial: string; version: string } | null;
  motherboard: { vendor: string; product: string; serial: string; version: string } | null;
}

const DMI = '/sys/class/dmi/id';

/** System Management BIOS Reference Specification (DSP0134), 7.4.1. */
const chassisTypes: Record<string, string> = {
  1: 'Other',
  2: 'Unknown',
  3: 'Desktop',
  4: 'Low Profile Desktop',
  5: 'Pizza Box',
  6: 'Mini Tower',
  7: 'Tower',
  8: 'Portable',
  9: 'Laptop',
  10: 'Notebook',
  11: 'Hand Held',
  12: 'Docking Station',
  13: 'All In One',
  14: 'Sub Notebook',
  15: 'Space-saving',
  16: 'Lunch Box',
  17: 'Main Server Chassis',
  18: 'Expansion Chassis',
  19: 'Sub Chassis',
  20: 'Bus Expansion Chassis',
  21: 'Peripheral Chassis',
  22: 'RAID Chassis',
  23: 'Rack Mount Chassis',
  24: 'Sealed-case PC',
  25: 'Multi-system',
  26: 'CompactPCI',
  27: 'AdvancedTCA',
  28: 'Blade',
  29: 'Blade Enclosure',
  30: 'Tablet',
  31: 'Convertible',
  32: 'Detachable',
  33: 'IoT Gateway',
  34: 'Embedded PC',
  35: 'Mini PC',
  36: 'Stick PC',
};

function dmi(name: string): string {
  return readText(DMI, name) ?? '';
}

/** A part of the table, or null when the firmware tells nothing about it. */
function part<T extends Record<string, string>>(values: T): T | null {
  return Object.values(values).every((value) => value === '') ? null : values;
}

/** What this system is: a container says so in its first process's environment, a virtual machine by its CPU. */
function systemType(): SystemResources['type'] {
  if (/(^|\0)container=/.test(readText('/proc/1/environ') ?? '')) return 'container';
  if (readText('/run/systemd/container') !== undefined) return 'container';
  const virtual = /^flags\s*:.*\bhypervisor\b/m.test(readText('/proc/cpuinfo') ?? '');
  return virtual || /^(QEMU|KVM|VMware|innotek|Xen|Bochs)/.test(dmi('sys_vendor')) ? 'virtual-machine' : 'physical';
}

/** Maker and model, from the firmware's DMI tables in /sys/class/dmi. */
export function systemResources(): SystemResources {
  const chassisType = dmi('chassis_type');
  return {
    uuid: dmi('product_uuid'),
    vendor: dmi('sys_vendor'),
    product: dmi('product_name'),
    family: dmi('product_family'),
    version: dmi('product_version'),
    sku: dmi('product_sku'),
    serial: dmi('product_serial'),
    type: systemType(),
    firmware: part({ vendor: dmi('bios_vendor'), date: dmi('bios_date'), version: dmi('bios_version') }),
    chassis: part({
      vendor: dmi('chassis_vendor'),
      type: chassisTypes[chassisType] ?? chassisType,
      serial: dmi('chassis_serial'),
      version: dmi('chassis_version'),
    }),
    motherboard: part({
      vendor: dmi('board_vendor'),
      product: dmi('board_name'),
      serial: dmi('board_serial'),
      version: dmi('board_version'),
    }),
  };
}

import { busAddress, linkName, listNames, numaNode, readNumber, readText, realPlace } from './sysfs.ts';

export interface DiskPartition {
  id: string;
  /** `major:minor` */
  device: string;
  read_only: boolean;
  /** Bytes. */
  size: number;
  partition: number;
}

export interface Disk {
  id: string;
  /** `major:minor` */
  device: string;
  model?: string;
  /** What it is attached to: `nvme`, `scsi`, `virtio`, `usb`, … */
  type: string;
  read_only: boolean;
  /** Bytes. */
  size: number;
  removable: boolean;
  wwn?: string;
  numa_node: number;
  /** Where it is plugged in, its name in /dev/disk/by-path. */
  device_path?: string;
  /** Bytes. */
  block_size: number;
  firmware_version?: string;
  /** 0 for a disk that does not turn, 1 for one whose speed is not known. */
  rpm: number;
  serial?: string;
  /** What it is, its name in /dev/disk/by-id. */
  device_id: string;
  partitions: DiskPartition[];
  pci_address?: string;
  usb_address?: string;
}

export interface StorageResources {
  disks: Disk[];
  total: number;
}

const BLOCK = '/sys/class/block';
const SECTOR = 512;

/** The names udev gave to devices in a directory of /dev/disk, by the name of the device they point to. */
function udevNames(directory: string): Map<string, string> {
  const path = `/dev/disk/${directory}`;
  // Where a device has several, the last of the sorted ones is the most specific (wwn-…, nvme-eui.…).
  return new Map(listNames(path).map((name) => [linkName(path, name) ?? '', name]));
}

/** What udev knows of a device (its database of properties, in /run/udev/data). */
function udevProperties(device: string): Map<string, string> {
  const lines = (readText('/run/udev/data', `b${device}`) ?? '').split('\n');
  return new Map(
    lines
      .filter((line) => line.startsWith('E:'))
      .map((line) => {
        const [name = '', ...value] = line.slice(2).split('=');
        return [name, value.join('=')];
      }),
  );
}

function partitions(disk: string): DiskPartition[] {
  return listNames(BLOCK, disk).flatMap((name) => {
    const partition = readNumber(BLOCK, disk, name, 'partition');
    if (partition === undefined) return [];
    return [
      {
        id: name,
        device: readText(BLOCK, name, 'dev') ?? '',
        read_only: readText(BLOCK, name, 'ro') === '1',
        size: (readNumber(BLOCK, name, 'size') ?? 0) * SECTOR,
        partition,
      },
    ];
  });
}

function present<K extends string>(values: Record<K, string | undefined>): Partial<Record<K, string>> {
  const given: Partial<Record<K, string>> = {};
  for (const key in values) {
    const value = values[key];
    if (value !== undefined && value !== '') given[key] = value;
  }
  return given;
}

function readDisk(name: string, ids: Map<string, string>, paths: Map<string, string>): Disk {
  const directory = `${BLOCK}/${name}`;
  const device = readText(directory, 'dev') ?? '';
  const udev = udevProperties(device);
  const address = busAddress(`${directory}/device`);
  return {
    id: name,
    device,
    ...present({ model: readText(directory, 'device/model') }),
    type: address.usb_address ? 'usb' : (linkName(directory, 'device/subsystem') ?? ''),
    read_only: readText(directory, 'ro') === '1',
    size: (readNumber(directory, 'size') ?? 0) * SECTOR,
    removable: readText(directory, 'removable') === '1',
    ...present({ wwn: readText(directory, 'wwid') ?? readText(directory, 'device/wwid') }),
    numa_node: numaNode(realPlace(directory, 'device/device') ?? `${directory}/device`),
    ...present({ device_path: paths.get(name) }),
    block_size: readNumber(directory, 'queue/physical_block_size') ?? 0,
    ...present({
      firmware_version:
        readText(directory, 'device/firmware_rev') ?? readText(directory, 'device/rev') ?? udev.get('ID_REVISION'),
    }),
    rpm: Number(udev.get('ID_ATA_ROTATION_RATE_RPM') ?? readNumber(directory, 'queue/rotational') ?? 0),
    ...present({
      serial: readText(directory, 'device/serial') ?? udev.get('ID_SERIAL_SHORT') ?? readText(directory, 'serial'),
    }),
    device_id: ids.get(name) ?? '',
    partitions: partitions(name),
    ...address,
  };
}

/** The disks that are real devices (not loops, RAM disks or volumes made of others), from /sys/class/block. */
export function storageResources(): StorageResources {
  const ids = udevNames('by-id');
  const paths = udevNames('by-path');
  const disks = listNames(BLOCK)
    .filter((name) => realPlace(BLOCK, name, 'device') !== undefined)
    .map((name) => readDisk(name, ids, paths));
  return { disks, total: disks.length };
}

import { hardwareNames } from './ids.ts';
import { driverVersion, linkName, listNames, numaNode, readBytes, readNumber, readText } from './sysfs.ts';

export interface PciVpd {
  product_name?: string;
  entries?: Record<string, string>;
}

export interface PciDevice {
  driver: string;
  driver_version: string;
  numa_node: number;
  pci_address: string;
  vendor: string;
  vendor_id: string;
  product: string;
  product_id: string;
  iommu_group: number;
  vpd: PciVpd;
}

export interface PciResources {
  devices: PciDevice[];
  total: number;
}

export const PCI_DEVICES = '/sys/bus/pci/devices';
const TAG_NAME = 0x82;
const TAG_READ_ONLY = 0x90;
const TAG_READ_WRITE = 0x91;
const TAG_END = 0x78;

function text(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/\0.*$/, '').trim();
}

/** Vital product data (PCI Local Bus Specification, appendix I): a name, and entries of two-letter keywords. */
export function parseVpd(data: Buffer): PciVpd {
  const vpd: PciVpd = {};
  let at = 0;
  while (at + 3 <= data.length && data[at] !== TAG_END) {
    const tag = data[at];
    const end = at + 3 + data.readUInt16LE(at + 1);
    if (end > data.length) break;
    if (tag === TAG_NAME) vpd.product_name = text(data.subarray(at + 3, end));
    else if (tag === TAG_READ_ONLY || tag === TAG_READ_WRITE) addEntries(vpd, data.subarray(at + 3, end));
    at = end;
  }
  return vpd;
}

function addEntries(vpd: PciVpd, data: Buffer): void {
  let at = 0;
  while (at + 3 <= data.length) {
    const keyword = data.toString('latin1', at, at + 2);
    const end = at + 3 + (data[at + 2] ?? 0);
    // RV holds a checksum, RW what is free.
    if (keyword !== 'RV' && keyword !== 'RW') {
      vpd.entries = { ...vpd.entries, [keyword]: text(data.subarray(at + 3, end)) };
    }
    at = end;
  }
}

/** Ids and names of a PCI device, where it has them. Ids are four hexadecimal digits. */
export function pciIdentity(address: string): {
  vendor_id: string;
  product_id: string;
  vendor?: string;
  product?: string;
} {
  const id = (file: string) => (readText(PCI_DEVICES, address, file) ?? '').replace(/^0x/, '');
  const [vendorId, productId] = [id('vendor'), id('device')];
  const { vendor, product } = hardwareNames('pci', vendorId, productId);
  return {
    vendor_id: vendorId,
    product_id: productId,
    ...(vendor === undefined ? {} : { vendor }),
    ...(product === undefined ? {} : { product }),
  };
}

/** Addresses of the PCI devices of a base class (PCI Code and ID Assignment: 0x02 network, 0x03 display). */
export function pciDevicesOfClass(base: number): string[] {
  return listNames(PCI_DEVICES).filter((address) => (readNumber(PCI_DEVICES, address, 'class') ?? 0) >> 16 === base);
}

function readDevice(address: string): PciDevice {
  const driver = linkName(PCI_DEVICES, address, 'driver');
  const vpd = readBytes(PCI_DEVICES, address, 'vpd');
  return {
    driver: driver ?? '',
    driver_version: driverVersion(driver),
    numa_node: numaNode(`${PCI_DEVICES}/${address}`),
    pci_address: address,
    vendor: '',
    product: '',
    ...pciIdentity(address),
    iommu_group: Number(linkName(PCI_DEVICES, address, 'iommu_group') ?? 0),
    vpd: vpd ? parseVpd(vpd) : {},
  };
}

/** The devices on PCI busses, from /sys/bus/pci. */
export function pciResources(): PciResources {
  const devices = listNames(PCI_DEVICES).map(readDevice);
  return { devices, total: devices.length };
}

import { hardwareNames } from './ids.ts';
import { driverVersion, linkName, listNames, readNumber, readText } from './sysfs.ts';

export interface UsbInterface {
  class: string;
  class_id: number;
  driver: string;
  driver_version: string;
  number: number;
  subclass: string;
  subclass_id: number;
}

export interface UsbDevice {
  bus_address: number;
  device_address: number;
  interfaces: UsbInterface[];
  product: string;
  product_id: string;
  /** Mbit/s */
  speed: number;
  vendor: string;
  vendor_id: string;
  serial?: string;
}

export interface UsbResources {
  devices: UsbDevice[];
  total: number;
}

const USB = '/sys/bus/usb/devices';
const CLASS_HUB = 0x09;
/** usb.org, Defined Class Codes. */
const classes: Record<number, string> = {
  1: 'Audio',
  2: 'Communications',
  3: 'Human Interface Device',
  5: 'Physical Interface Device',
  6: 'Imaging',
  7: 'Printer',
  8: 'Mass Storage',
  9: 'Hub',
  10: 'CDC Data',
  11: 'Chip/SmartCard',
  13: 'Content Security',
  14: 'Video',
  15: 'Personal Healthcare',
  16: 'Audio/Video',
  17: 'Billboard',
  18: 'Type-C Bridge',
  220: 'Diagnostic',
  224: 'Wireless',
  239: 'Miscellaneous Device',
  254: 'Application Specific Interface',
  255: 'Vendor Specific Class',
};
const subclasses: Record<string, string> = {
  '1:1': 'Control Device',
  '1:2': 'Streaming',
  '2:2': 'Abstract (modem)',
  '2:6': 'Ethernet Networking',
  '3:1': 'Boot Interface Subclass',
  '8:6': 'SCSI',
  '14:1': 'Video Control',
  '14:2': 'Video Streaming',
  '224:1': 'Radio Frequency',
  '254:1': 'Device Firmware Update',
  '255:255': 'Vendor Specific Subclass',
};

function hexadecimal(...path: string[]): number {
  return Number.parseInt(readText(...path) ?? '0', 16);
}

function readInterface(name: string): UsbInterface {
  const classId = hexadecimal(USB, name, 'bInterfaceClass');
  const subclassId = hexadecimal(USB, name, 'bInterfaceSubClass');
  const driver = linkName(USB, name, 'driver');
  return {
    class: classes[classId] ?? '',
    class_id: classId,
    driver: driver ?? '',
    driver_version: driverVersion(driver),
    number: hexadecimal(USB, name, 'bInterfaceNumber'),
    subclass: subclasses[`${classId}:${subclassId}`] ?? '',
    subclass_id: subclassId,
  };
}

function readDevice(name: string, all: readonly string[]): UsbDevice {
  const [vendorId, productId] = [readText(USB, name, 'idVendor') ?? '', readText(USB, name, 'idProduct') ?? ''];
  const names = hardwareNames('usb', vendorId, productId);
  const serial = readText(USB, name, 'serial');
  return {
    bus_address: readNumber(USB, name, 'busnum') ?? 0,
    device_address: readNumber(USB, name, 'devnum') ?? 0,
    interfaces: all.filter((each) => each.startsWith(`${name}:`)).map(readInterface),
    product: names.product ?? readText(USB, name, 'product') ?? '',
    product_id: productId,
    speed: readNumber(USB, name, 'speed') ?? 0,
    vendor: names.vendor ?? readText(USB, name, 'manufacturer') ?? '',
    vendor_id: vendorId,
    ...(serial === undefined ? {} : { serial }),
  };
}

/** The USB devices without the hubs they are plugged into, from /sys/bus/usb. */
export function usbResources(): UsbResources {
  const names = listNames(USB);
  const devices = names
    .filter((name) => readText(USB, name, 'devnum') !== undefined)
    .filter((name) => hexadecimal(USB, name, 'bDeviceClass') !== CLASS_HUB)
    .map((name) => readDevice(name, names));
  return { devices, total: devices.length };
}

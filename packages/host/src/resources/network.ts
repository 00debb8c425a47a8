import { ethtoolPort } from './ethtool.ts';
import { hardwareNames } from './ids.ts';
import { PCI_DEVICES, pciDevicesOfClass, pciIdentity } from './pci.ts';
import { isVirtualFunction, readSriov, type Sriov } from './sriov.ts';
import { busAddress, driverVersion, linkName, listNames, numaNode, readNumber, readText, realPlace } from './sysfs.ts';

export interface InfinibandPort {
  issm_name?: string;
  issm_device?: string;
  mad_name?: string;
  mad_device?: string;
  verb_name?: string;
  verb_device?: string;
}

export interface NetworkPort {
  /** The link's name. */
  id: string;
  address: string;
  port: number;
  protocol: 'ethernet' | 'infiniband' | 'unknown';
  auto_negotiation: boolean;
  link_detected: boolean;
  /** Mbit/s, while connected. */
  link_speed?: number;
  link_duplex?: string;
  port_type?: string;
  transceiver_type?: string;
  supported_ports?: string[];
  supported_modes?: string[];
  infiniband?: InfinibandPort;
}

export interface NetworkCard {
  driver: string;
  driver_version: string;
  ports?: NetworkPort[];
  sriov?: Sriov<NetworkCard>;
  numa_node: number;
  pci_address?: string;
  usb_address?: string;
  vendor?: string;
  vendor_id?: string;
  product?: string;
  product_id?: string;
  firmware_version?: string;
  vdpa?: { name: string; device: string };
}

export interface NetworkResources {
  cards: NetworkCard[];
  total: number;
}

const NET = '/sys/class/net';
const CLASS_NETWORK = 0x02;
// linux/if_arp.h
const protocols: Record<number, NetworkPort['protocol']> = { 1: 'ethernet', 32: 'infiniband' };

/** The devices through which programs reach an InfiniBand port. */
function infiniband(device: string, port: number): InfinibandPort {
  const found: InfinibandPort = {};
  const places = [
    ['infiniband_mad', 'issm', 'issm_name', 'issm_device'],
    ['infiniband_mad', 'umad', 'mad_name', 'mad_device'],
    ['infiniband_verbs', 'uverbs', 'verb_name', 'verb_device'],
  ] as const;
  for (const [directory, prefix, nameKey, deviceKey] of places) {
    const name = listNames(device, directory).find(
      (each) =>
        each.startsWith(prefix) && (prefix === 'uverbs' || readNumber(device, directory, each, 'port') === port + 1),
    );
    if (name === undefined) continue;
    found[nameKey] = name;
    found[deviceKey] = readText(device, directory, name, 'dev') ?? '';
  }
  return found;
}

/** A link as a port, and the firmware its driver reports, which is the card's. */
function readPort(link: string, device: string): { port: NetworkPort; firmware: string | undefined } {
  const directory = `${NET}/${link}`;
  const protocol = protocols[readNumber(directory, 'type') ?? 0] ?? 'unknown';
  const detected = readText(directory, 'carrier') === '1';
  const speed = readNumber(directory, 'speed');
  const duplex = readText(directory, 'duplex');
  // dev_id tells ports apart where drivers do not know dev_port yet.
  const number = readNumber(directory, 'dev_port') || (readNumber(directory, 'dev_id') ?? 0);
  const { firmware_version: firmware, ...driver } = ethtoolPort(link) ?? { auto_negotiation: false };
  const port = {
    id: link,
    address: readText(directory, 'address') ?? '',
    port: number,
    protocol,
    link_detected: detected,
    ...driver,
    ...(detected && speed !== undefined && speed > 0 ? { link_speed: speed } : {}),
    ...(detected && duplex !== undefined && duplex !== 'unknown' ? { link_duplex: duplex } : {}),
    ...(protocol === 'infiniband' ? { infiniband: infiniband(device, number) } : {}),
  };
  return { port, firmware };
}

/** The links, of this network namespace, that a device carries itself or through one it made (virtio). */
function portsOf(place: string): Pick<NetworkCard, 'ports' | 'firmware_version'> {
  const found = listNames(NET)
    .filter((link) => realPlace(NET, link, 'device')?.concat('/').startsWith(`${place}/`))
    .map((link) => readPort(link, place));
  const firmware = found.find((each) => each.firmware !== undefined)?.firmware;
  return {
    ...(found.length === 0 ? {} : { ports: found.map(({ port }) => port) }),
    ...(firmware === undefined ? {} : { firmware_version: firmware }),
  };
}

function vdpa(place: string): NetworkCard['vdpa'] {
  const name = listNames(place).find((each) => /^vdpa\d+$/.test(each));
  const device = name && listNames(place, name).find((each) => each.startsWith('vhost-vdpa'));
  return name && device ? { name, device } : undefined;
}

function readCard(address: string): NetworkCard {
  const place = realPlace(PCI_DEVICES, address) ?? '';
  const driver = linkName(place, 'driver');
  const sriov = readSriov(address, readCard);
  const vdpaDevice = vdpa(place);
  return {
    driver: driver ?? '',
    driver_version: driverVersion(driver),
    ...portsOf(place),
    ...(sriov ? { sriov } : {}),
    numa_node: numaNode(place),
    pci_address: address,
    ...pciIdentity(address),
    ...(vdpaDevice ? { vdpa: vdpaDevice } : {}),
  };
}

/** A card that is no PCI device: its links share one device. */
function readOtherCard(place: string): NetworkCard {
  const driver = linkName(place, 'driver');
  const { usb_address } = busAddress(place);
  const id = (file: string) => readText(place, '..', file) ?? '';
  const [vendorId, productId] = [id('idVendor'), id('idProduct')];
  const names = hardwareNames('usb', vendorId, productId);
  return {
    driver: driver ?? '',
    driver_version: driverVersion(driver),
    ...portsOf(place),
    numa_node: numaNode(place),
    ...(usb_address === undefined
      ? {}
      : {
          usb_address,
          vendor: names.vendor ?? id('manufacturer'),
          vendor_id: vendorId,
          product: names.product ?? id('product'),
          product_id: productId,
        }),
  };
}

/** The network cards, from /sys/bus/pci and /sys/class/net. */
export function networkResources(): NetworkResources {
  const pci = pciDevicesOfClass(CLASS_NETWORK)
    .filter((address) => !isVirtualFunction(address))
    .map(readCard);
  const others = new Set(
    listNames(NET)
      .map((link) => realPlace(NET, link, 'device'))
      .filter((place) => place !== undefined)
      .filter((place) => busAddress(place).pci_address === undefined),
  );
  const cards = [...pci, ...[...others].map(readOtherCard)];
  return { cards, total: cards.length };
}

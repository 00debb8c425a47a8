import { parseFields } from '../process.ts';
import { PCI_DEVICES, pciDevicesOfClass, pciIdentity } from './pci.ts';
import { isVirtualFunction, readSriov, type Sriov } from './sriov.ts';
import { driverVersion, linkName, listNames, numaNode, readNumber, readText } from './sysfs.ts';

export interface GpuDrm {
  id: number;
  card_name: string;
  /** `major:minor` */
  card_device: string;
  control_name?: string;
  control_device?: string;
  render_name?: string;
  render_device?: string;
}

export interface GpuNvidia {
  model: string;
  uuid: string;
  nvrm_version: string;
  card_name: string;
  card_device: string;
}

/** A kind of virtual GPU that can be made. */
export interface GpuMdev {
  api: string;
  available: number;
  name?: string;
  description?: string;
  /** Those made already. */
  devices: string[];
}

export interface GpuCard {
  driver: string;
  driver_version: string;
  drm?: GpuDrm;
  sriov?: Sriov<GpuCard>;
  nvidia?: GpuNvidia;
  mdev?: Record<string, GpuMdev>;
  numa_node: number;
  pci_address: string;
  vendor?: string;
  vendor_id: string;
  product?: string;
  product_id: string;
}

export interface GpuResources {
  cards: GpuCard[];
  total: number;
}

const CLASS_DISPLAY = 0x03;
const NVIDIA = '/proc/driver/nvidia';
const NVIDIA_MAJOR = 195;

function drm(device: string): GpuDrm | undefined {
  const names = listNames(device, 'drm');
  const node = (prefix: string) => names.find((name) => new RegExp(`^${prefix}\\d+$`).test(name));
  const number = (name: string) => readText(device, 'drm', name, 'dev') ?? '';
  const [card, control, render] = [node('card'), node('controlD'), node('renderD')];
  if (card === undefined) return undefined;
  return {
    id: Number(card.slice('card'.length)),
    card_name: card,
    card_device: number(card),
    ...(control === undefined ? {} : { control_name: control, control_device: number(control) }),
    ...(render === undefined ? {} : { render_name: render, render_device: number(render) }),
  };
}

function nvidia(address: string): GpuNvidia | undefined {
  const information = readText(NVIDIA, 'gpus', address, 'information');
  if (information === undefined) return undefined;
  const fields = parseFields(information);
  const minor = fields.get('Device Minor') ?? '0';
  return {
    model: fields.get('Model') ?? '',
    uuid: fields.get('GPU UUID') ?? '',
    nvrm_version: /Kernel Module\s+([\d.]+)/.exec(readText(NVIDIA, 'version') ?? '')?.[1] ?? '',
    card_name: `nvidia${minor}`,
    card_device: `${NVIDIA_MAJOR}:${minor}`,
  };
}

function mdev(device: string): Record<string, GpuMdev> | undefined {
  const types = listNames(device, 'mdev_supported_types');
  if (types.length === 0) return undefined;
  const read = (type: string): GpuMdev => {
    const directory = `${device}/mdev_supported_types/${type}`;
    const [name, description] = [readText(directory, 'name'), readText(directory, 'description')];
    return {
      api: readText(directory, 'device_api') ?? '',
      available: readNumber(directory, 'available_instances') ?? 0,
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
      devices: listNames(directory, 'devices'),
    };
  };
  return Object.fromEntries(types.map((type) => [type, read(type)]));
}

function readCard(address: string): GpuCard {
  const device = `${PCI_DEVICES}/${address}`;
  const driver = linkName(device, 'driver');
  const [drmNodes, nvidiaInfo, mdevTypes] = [drm(device), nvidia(address), mdev(device)];
  const sriov = readSriov(address, readCard);
  return {
    driver: driver ?? '',
    driver_version: driverVersion(driver),
    ...(drmNodes ? { drm: drmNodes } : {}),
    ...(sriov ? { sriov } : {}),
    ...(nvidiaInfo ? { nvidia: nvidiaInfo } : {}),
    ...(mdevTypes ? { mdev: mdevTypes } : {}),
    numa_node: numaNode(device),
    pci_address: address,
    ...pciIdentity(address),
  };
}

/** The graphics cards on PCI busses, from /sys/bus/pci. */
export function gpuResources(): GpuResources {
  const cards = pciDevicesOfClass(CLASS_DISPLAY)
    .filter((address) => !isVirtualFunction(address))
    .map(readCard);
  return { cards, total: cards.length };
}

import * as z from 'zod';
import { count, decimal, flag, integer, omittable, struct, text, textMap, texts } from './schema.ts';

export const resourcesCPUCache = struct({ level: count, type: text, size: count });
export type ResourcesCPUCache = z.infer<typeof resourcesCPUCache>;

export const resourcesCPUThread = struct({
  id: integer,
  numa_node: count,
  thread: count,
  online: flag,
  isolated: flag,
});
export type ResourcesCPUThread = z.infer<typeof resourcesCPUThread>;

/** `frequency` is in MHz. */
export const resourcesCPUCore = struct({
  core: count,
  die: count,
  threads: z.array(resourcesCPUThread),
  frequency: omittable(count),
});
export type ResourcesCPUCore = z.infer<typeof resourcesCPUCore>;

export const resourcesCPUSocket = struct({
  name: omittable(text),
  vendor: omittable(text),
  socket: count,
  cache: omittable(z.array(resourcesCPUCache)),
  cores: z.array(resourcesCPUCore),
  frequency: omittable(count),
  frequency_minimum: omittable(count),
  frequency_turbo: omittable(count),
});
export type ResourcesCPUSocket = z.infer<typeof resourcesCPUSocket>;

export const resourcesCPU = struct({ architecture: text, sockets: z.array(resourcesCPUSocket), total: count });
export type ResourcesCPU = z.infer<typeof resourcesCPU>;

/** Bytes; huge pages are counted in bytes as well. */
export const resourcesMemoryNode = struct({
  numa_node: count,
  hugepages_used: count,
  hugepages_total: count,
  used: count,
  total: count,
});
export type ResourcesMemoryNode = z.infer<typeof resourcesMemoryNode>;

export const resourcesMemory = struct({
  nodes: omittable(z.array(resourcesMemoryNode)),
  hugepages_total: count,
  hugepages_used: count,
  hugepages_size: count,
  used: count,
  total: count,
});
export type ResourcesMemory = z.infer<typeof resourcesMemory>;

export const resourcesGPUCardDRM = struct({
  id: count,
  card_name: text,
  card_device: text,
  control_name: omittable(text),
  control_device: omittable(text),
  render_name: omittable(text),
  render_device: omittable(text),
});
export type ResourcesGPUCardDRM = z.infer<typeof resourcesGPUCardDRM>;

export const resourcesGPUCardNvidia = struct({
  cuda_version: omittable(text),
  nvrm_version: omittable(text),
  brand: text,
  model: text,
  uuid: omittable(text),
  architecture: omittable(text),
  card_name: text,
  card_device: text,
});
export type ResourcesGPUCardNvidia = z.infer<typeof resourcesGPUCardNvidia>;

export const resourcesGPUCardMdev = struct({
  api: text,
  available: count,
  name: omittable(text),
  description: text,
  devices: texts,
});
export type ResourcesGPUCardMdev = z.infer<typeof resourcesGPUCardMdev>;

/** A virtual function of a card looks like the card, without functions of its own. */
const gpuFunction = struct({
  driver: omittable(text),
  driver_version: omittable(text),
  drm: omittable(resourcesGPUCardDRM),
  nvidia: omittable(resourcesGPUCardNvidia),
  mdev: omittable(z.record(z.string(), resourcesGPUCardMdev)),
  numa_node: count,
  pci_address: omittable(text),
  vendor: omittable(text),
  vendor_id: omittable(text),
  product: omittable(text),
  product_id: omittable(text),
  usb_address: omittable(text),
});

export const resourcesGPUCardSRIOV = struct({ current_vfs: count, maximum_vfs: count, vfs: z.array(gpuFunction) });
export type ResourcesGPUCardSRIOV = z.infer<typeof resourcesGPUCardSRIOV>;

export const resourcesGPUCard = struct({ ...gpuFunction.shape, sriov: omittable(resourcesGPUCardSRIOV) });
export type ResourcesGPUCard = z.infer<typeof resourcesGPUCard>;

export const resourcesGPU = struct({ cards: z.array(resourcesGPUCard), total: count });
export type ResourcesGPU = z.infer<typeof resourcesGPU>;

export const resourcesNetworkCardPortInfiniband = struct({
  issm_name: omittable(text),
  issm_device: omittable(text),
  mad_name: omittable(text),
  mad_device: omittable(text),
  verb_name: omittable(text),
  verb_device: omittable(text),
});
export type ResourcesNetworkCardPortInfiniband = z.infer<typeof resourcesNetworkCardPortInfiniband>;

/** `link_speed` is in Mbit/s. */
export const resourcesNetworkCardPort = struct({
  id: text,
  address: omittable(text),
  port: count,
  protocol: text,
  supported_modes: omittable(texts),
  supported_ports: omittable(texts),
  port_type: omittable(text),
  transceiver_type: omittable(text),
  auto_negotiation: flag,
  link_detected: flag,
  link_speed: omittable(count),
  link_duplex: omittable(text),
  infiniband: omittable(resourcesNetworkCardPortInfiniband),
});
export type ResourcesNetworkCardPort = z.infer<typeof resourcesNetworkCardPort>;

export const resourcesNetworkCardVDPA = struct({ name: text, device: text });
export type ResourcesNetworkCardVDPA = z.infer<typeof resourcesNetworkCardVDPA>;

/** A virtual function of a card looks like the card, without functions of its own. */
const networkFunction = struct({
  driver: omittable(text),
  driver_version: omittable(text),
  ports: omittable(z.array(resourcesNetworkCardPort)),
  vdpa: omittable(resourcesNetworkCardVDPA),
  numa_node: count,
  pci_address: omittable(text),
  vendor: omittable(text),
  vendor_id: omittable(text),
  product: omittable(text),
  product_id: omittable(text),
  firmware_version: omittable(text),
  usb_address: omittable(text),
});

export const resourcesNetworkCardSRIOV = struct({
  current_vfs: count,
  maximum_vfs: count,
  vfs: z.array(networkFunction),
});
export type ResourcesNetworkCardSRIOV = z.infer<typeof resourcesNetworkCardSRIOV>;

export const resourcesNetworkCard = struct({ ...networkFunction.shape, sriov: omittable(resourcesNetworkCardSRIOV) });
export type ResourcesNetworkCard = z.infer<typeof resourcesNetworkCard>;

export const resourcesNetwork = struct({ cards: z.array(resourcesNetworkCard), total: count });
export type ResourcesNetwork = z.infer<typeof resourcesNetwork>;

export const resourcesStorageDiskPartition = struct({
  id: text,
  device: text,
  read_only: flag,
  size: count,
  partition: count,
});
export type ResourcesStorageDiskPartition = z.infer<typeof resourcesStorageDiskPartition>;

/** `size` and `block_size` are in bytes. */
export const resourcesStorageDisk = struct({
  id: text,
  device: text,
  model: omittable(text),
  type: omittable(text),
  read_only: flag,
  size: count,
  removable: flag,
  wwn: omittable(text),
  numa_node: count,
  device_path: omittable(text),
  block_size: count,
  firmware_version: omittable(text),
  rpm: count,
  serial: omittable(text),
  device_id: text,
  partitions: z.array(resourcesStorageDiskPartition),
  pci_address: omittable(text),
  usb_address: omittable(text),
});
export type ResourcesStorageDisk = z.infer<typeof resourcesStorageDisk>;

export const resourcesStorage = struct({ disks: z.array(resourcesStorageDisk), total: count });
export type ResourcesStorage = z.infer<typeof resourcesStorage>;

export const resourcesUSBDeviceInterface = struct({
  class: omittable(text),
  class_id: count,
  driver: omittable(text),
  driver_version: omittable(text),
  number: count,
  subclass: omittable(text),
  subclass_id: count,
});
export type ResourcesUSBDeviceInterface = z.infer<typeof resourcesUSBDeviceInterface>;

/** `speed` is in Mbit/s. */
export const resourcesUSBDevice = struct({
  bus_address: count,
  device_address: count,
  interfaces: z.array(resourcesUSBDeviceInterface),
  vendor: text,
  vendor_id: text,
  product: text,
  product_id: text,
  speed: decimal,
});
export type ResourcesUSBDevice = z.infer<typeof resourcesUSBDevice>;

export const resourcesUSB = struct({ devices: z.array(resourcesUSBDevice), total: count });
export type ResourcesUSB = z.infer<typeof resourcesUSB>;

/** Vital product data. */
export const resourcesPCIVPD = struct({ product_name: omittable(text), entries: omittable(textMap) });
export type ResourcesPCIVPD = z.infer<typeof resourcesPCIVPD>;

export const resourcesPCIDevice = struct({
  driver: text,
  driver_version: text,
  numa_node: count,
  pci_address: text,
  vendor: text,
  vendor_id: text,
  product: text,
  product_id: text,
  iommu_group: count,
  vpd: resourcesPCIVPD,
});
export type ResourcesPCIDevice = z.infer<typeof resourcesPCIDevice>;

export const resourcesPCI = struct({ devices: z.array(resourcesPCIDevice), total: count });
export type ResourcesPCI = z.infer<typeof resourcesPCI>;

export const resourcesSystemFirmware = struct({ vendor: text, date: text, version: text });
export type ResourcesSystemFirmware = z.infer<typeof resourcesSystemFirmware>;

export const resourcesSystemChassis = struct({ vendor: text, type: text, serial: text, version: text });
export type ResourcesSystemChassis = z.infer<typeof resourcesSystemChassis>;

export const resourcesSystemMotherboard = struct({ vendor: text, product: text, serial: text, version: text });
export type ResourcesSystemMotherboard = z.infer<typeof resourcesSystemMotherboard>;

/** `type` is `physical`, `virtual-machine` or `container`. */
export const resourcesSystem = struct({
  uuid: text,
  vendor: text,
  product: text,
  family: text,
  version: text,
  sku: text,
  serial: text,
  type: text,
  firmware: resourcesSystemFirmware.nullable(),
  chassis: resourcesSystemChassis.nullable(),
  motherboard: resourcesSystemMotherboard.nullable(),
});
export type ResourcesSystem = z.infer<typeof resourcesSystem>;

/** `GET /1.0/resources`. */
export const resources = struct({
  cpu: resourcesCPU,
  memory: resourcesMemory,
  gpu: resourcesGPU,
  network: resourcesNetwork,
  storage: resourcesStorage,
  usb: resourcesUSB,
  pci: resourcesPCI,
  system: resourcesSystem,
});
export type Resources = z.infer<typeof resources>;

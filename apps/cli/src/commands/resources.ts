import type { Client } from '@lxd-ts/client';
import { out } from '../output/streams.ts';
import { bytesIec } from '../output/units.ts';

/** What `GET /1.0/resources` tells, as far as it is printed. */
interface Resources {
  cpu: { architecture: string; sockets: Socket[] | null };
  memory: {
    nodes: MemoryNode[] | null;
    used: number;
    total: number;
    hugepages_total: number;
    hugepages_used: number;
    hugepages_size: number;
  };
  gpu: { cards: Card[] | null };
  network: { cards: NetworkCard[] | null };
  storage: { disks: Disk[] | null };
}

interface Socket {
  name?: string;
  vendor?: string;
  socket: number;
  cache?: { level: number; type: string; size: number }[];
  cores: { core: number; frequency?: number; threads: Thread[] }[];
  frequency?: number;
  frequency_minimum?: number;
  frequency_turbo?: number;
}

interface Thread {
  id: number;
  numa_node: number;
  thread: number;
  online: boolean;
}

interface MemoryNode {
  numa_node: number;
  hugepages_used: number;
  hugepages_total: number;
  used: number;
  total: number;
}

interface Device {
  driver?: string;
  driver_version?: string;
  numa_node: number;
  pci_address?: string;
  vendor?: string;
  vendor_id?: string;
  product?: string;
  product_id?: string;
}

interface Card extends Device {
  drm?: {
    id: number;
    card_name?: string;
    card_device?: string;
    control_name?: string;
    control_device?: string;
    render_name?: string;
    render_device?: string;
  };
  nvidia?: { cuda_version?: string; nvrm_version?: string; brand?: string; model?: string; uuid?: string };
}

interface NetworkCard extends Device {
  ports?: {
    id: string;
    address?: string;
    port: number;
    protocol?: string;
    auto_negotiation?: boolean;
    link_detected?: boolean;
    link_speed?: number;
    link_duplex?: string;
    port_type?: string;
    transceiver_type?: string;
    supported_modes?: string[];
    supported_ports?: string[];
  }[];
  sriov?: { current_vfs: number; maximum_vfs: number };
}

interface Disk {
  id: string;
  device: string;
  model?: string;
  type?: string;
  read_only: boolean;
  size: number;
  removable: boolean;
  numa_node: number;
  rpm?: number;
  partitions: { id: string; device: string; read_only: boolean; size: number; partition: number }[] | null;
}

/** Lines indented under a head. */
const under = (head: string, lines: readonly string[]): string[] => [head, ...lines.map((line) => `  ${line}`)];

/** `Single:` for one item, `Several:` with numbers for more. */
const each = <T>(
  one: string,
  many: string,
  label: string,
  items: readonly T[],
  lines: (item: T) => string[],
): string[] => {
  const [only] = items;
  if (items.length === 1 && only !== undefined) return under(one, lines(only));
  return under(
    many,
    items.flatMap((item, index) => under(`${label} ${index}:`, lines(item))),
  );
};

const when = (value: string | undefined, line: (value: string) => string): string[] =>
  value === undefined || value === '' ? [] : [line(value)];

const socketLines = (socket: Socket): string[] => [
  ...when(socket.vendor, (vendor) => `Vendor: ${vendor}`),
  ...when(socket.name, (name) => `Name: ${name}`),
  ...(socket.cache && socket.cache.length > 0
    ? under(
        'Caches:',
        socket.cache.map(({ level, type, size }) => `- Level ${level} (type: ${type}): ${bytesIec(size, 0)}`),
      )
    : []),
  ...under(
    'Cores:',
    socket.cores.flatMap(({ core, frequency = 0, threads }) => [
      `- Core ${core}`,
      `  Frequency: ${frequency}Mhz`,
      '  Threads:',
      ...threads.map(
        ({ id, thread, online, numa_node }) =>
          `    - ${thread} (id: ${id}, online: ${online}, NUMA node: ${numa_node})`,
      ),
    ]),
  ),
  ...(socket.frequency
    ? [
        socket.frequency_turbo && socket.frequency_minimum
          ? `Frequency: ${socket.frequency}Mhz (min: ${socket.frequency_minimum}Mhz, max: ${socket.frequency_turbo}Mhz)`
          : `Frequency: ${socket.frequency}Mhz`,
      ]
    : []),
];

const hugepageLines = (used: number, total: number): string[] =>
  total > 0
    ? under('Hugepages:', [
        `Free: ${bytesIec(total - used, 2)}`,
        `Used: ${bytesIec(used, 2)}`,
        `Total: ${bytesIec(total, 2)}`,
      ])
    : [];

const amountLines = (used: number, total: number): string[] => [
  `Free: ${bytesIec(total - used, 2)}`,
  `Used: ${bytesIec(used, 2)}`,
  `Total: ${bytesIec(total, 2)}`,
];

const memoryLines = (memory: Resources['memory']): string[] => {
  const nodes = memory.nodes ?? [];
  return under('Memory:', [
    ...hugepageLines(memory.hugepages_used, memory.hugepages_total),
    ...(nodes.length > 1
      ? under(
          'NUMA nodes:',
          nodes.flatMap((node) =>
            under(`Node ${node.numa_node}:`, [
              ...hugepageLines(node.hugepages_used, node.hugepages_total),
              ...amountLines(node.used, node.total),
            ]),
          ),
        )
      : []),
    ...amountLines(memory.used, memory.total),
  ]);
};

const deviceLines = (device: Device): string[] => [
  `NUMA node: ${device.numa_node}`,
  ...when(device.vendor, (vendor) => `Vendor: ${vendor} (${device.vendor_id ?? ''})`),
  ...when(device.product, (product) => `Product: ${product} (${device.product_id ?? ''})`),
  ...when(device.pci_address, (address) => `PCI address: ${address}`),
  ...when(device.driver, (driver) => `Driver: ${driver} (${device.driver_version ?? ''})`),
];

const gpuLines = (card: Card): string[] => [
  ...deviceLines(card),
  ...(card.drm
    ? under('DRM:', [
        `ID: ${card.drm.id}`,
        ...when(card.drm.card_name, (name) => `Card: ${name} (${card.drm?.card_device ?? ''})`),
        ...when(card.drm.control_name, (name) => `Control: ${name} (${card.drm?.control_device ?? ''})`),
        ...when(card.drm.render_name, (name) => `Render: ${name} (${card.drm?.render_device ?? ''})`),
      ])
    : []),
  ...(card.nvidia
    ? under('NVIDIA information:', [
        `Architecture: ${card.nvidia.cuda_version ?? ''}`,
        `Brand: ${card.nvidia.brand ?? ''}`,
        `Model: ${card.nvidia.model ?? ''}`,
        `CUDA Version: ${card.nvidia.cuda_version ?? ''}`,
        `NVRM Version: ${card.nvidia.nvrm_version ?? ''}`,
        `UUID: ${card.nvidia.uuid ?? ''}`,
      ])
    : []),
];

const nicLines = (card: NetworkCard): string[] => [
  ...deviceLines(card),
  ...(card.ports && card.ports.length > 0
    ? under(
        'Ports:',
        card.ports.flatMap((port) => [
          `- Port ${port.port} (${port.protocol ?? ''})`,
          `  ID: ${port.id}`,
          ...when(port.address, (address) => `  Address: ${address}`),
          ...(port.supported_modes?.length ? [`  Supported modes: ${port.supported_modes.join(', ')}`] : []),
          ...(port.supported_ports?.length ? [`  Supported ports: ${port.supported_ports.join(', ')}`] : []),
          ...when(port.port_type, (type) => `  Port type: ${type}`),
          ...when(port.transceiver_type, (type) => `  Transceiver type: ${type}`),
          `  Auto negotiation: ${port.auto_negotiation ?? false}`,
          `  Link detected: ${port.link_detected ?? false}`,
          ...(port.link_speed ? [`  Link speed: ${port.link_speed}Mbit/s (${port.link_duplex ?? ''} duplex)`] : []),
        ]),
      )
    : []),
  ...(card.sriov
    ? under('SR-IOV information:', [
        `Current number of VFs: ${card.sriov.current_vfs}`,
        `Maximum number of VFs: ${card.sriov.maximum_vfs}`,
      ])
    : []),
];

const diskLines = (disk: Disk): string[] => [
  `NUMA node: ${disk.numa_node}`,
  `ID: ${disk.id}`,
  `Device: ${disk.device}`,
  ...when(disk.model, (model) => `Model: ${model}`),
  ...when(disk.type, (type) => `Type: ${type}`),
  `Size: ${bytesIec(disk.size, 2)}`,
  `Read-Only: ${disk.read_only}`,
  `Removable: ${disk.removable}`,
  ...(disk.partitions && disk.partitions.length > 0
    ? under(
        'Partitions:',
        disk.partitions.flatMap((part) => [
          `- Partition ${part.partition}`,
          `  ID: ${part.id}`,
          `  Device: ${part.device}`,
          `  Read-Only: ${part.read_only}`,
          `  Size: ${bytesIec(part.size, 2)}`,
        ]),
      )
    : []),
];

/** Prints what a server is made of: processors, memory, graphics, network and disks. */
export const showResources = async (client: Client): Promise<void> => {
  const { value } = await client.get<Resources>(['resources']);
  const { cpu, memory, gpu, network, storage } = value;
  const blocks: string[][] = [
    each(`CPU (${cpu.architecture}):`, `CPUs (${cpu.architecture}):`, 'Socket', cpu.sockets ?? [], socketLines),
    memoryLines(memory),
  ];
  if (gpu.cards?.length) blocks.push(each('GPU:', 'GPUs:', 'Card', gpu.cards, gpuLines));
  if (network.cards?.length) blocks.push(each('NIC:', 'NICs:', 'Card', network.cards, nicLines));
  if (storage.disks?.length) blocks.push(each('Disk:', 'Disks:', 'Disk', storage.disks, diskLines));
  out(`${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`);
};

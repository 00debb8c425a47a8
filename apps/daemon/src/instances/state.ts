import type { InterfaceUsage } from '@lxd-ts/driver-kit';
import { type Run, statusOf } from './running.ts';

const renderInterface = (usage: InterfaceUsage) => ({
  addresses: usage.addresses,
  counters: {
    bytes_received: usage.counters.bytesReceived,
    bytes_sent: usage.counters.bytesSent,
    packets_received: usage.counters.packetsReceived,
    packets_sent: usage.counters.packetsSent,
    errors_received: usage.counters.errorsReceived,
    errors_sent: usage.counters.errorsSent,
    packets_dropped_outbound: usage.counters.packetsDroppedOutbound,
    packets_dropped_inbound: usage.counters.packetsDroppedInbound,
  },
  hwaddr: usage.hwaddr,
  host_name: usage.hostName,
  mtu: usage.mtu,
  state: usage.state,
  type: usage.type,
});

/** Bytes used by each disk that can tell, by device name. */
export type DiskUsage = Readonly<Record<string, { usage: number; total: number }>>;

/** The live state of an instance on the wire. Read from the kernel; starts no process. */
export const renderState = async (run: Run | undefined, disk: DiskUsage) => {
  if (!run) {
    return {
      ...statusOf(run),
      disk,
      memory: { usage: 0, usage_peak: 0, total: 0, swap_usage: 0, swap_usage_peak: 0 },
      network: null,
      pid: 0,
      processes: 0,
      cpu: { usage: 0 },
    };
  }
  const usage = await run.running.usage();
  return {
    ...statusOf(run),
    disk,
    memory: {
      usage: usage.memory.usage,
      usage_peak: usage.memory.usagePeak,
      total: usage.memory.total,
      swap_usage: usage.memory.swapUsage,
      swap_usage_peak: usage.memory.swapUsagePeak,
    },
    network: Object.fromEntries(Object.entries(usage.network).map(([name, one]) => [name, renderInterface(one)])),
    pid: usage.pid,
    processes: usage.processes,
    cpu: { usage: usage.cpu ?? -1 },
  };
};

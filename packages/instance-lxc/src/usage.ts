import { totalmem } from 'node:os';
import { conflict, type InstanceUsage, type InterfaceUsage } from '@lxd-ts/driver-kit';
import {
  type Address,
  type Cgroup,
  cpuUsage,
  isErrno,
  type Link,
  listAddresses,
  listLinks,
  memoryUsage,
  processUsage,
} from '@lxd-ts/host';
import { linkName } from './syscalls.ts';

const scopes: Readonly<Record<Address['scope'], 'global' | 'link' | 'local'>> = {
  global: 'global',
  site: 'global',
  link: 'link',
  host: 'local',
  nowhere: 'local',
};

const typeOf = (link: Link): InterfaceUsage['type'] => {
  if (link.loopback) return 'loopback';
  if (link.pointToPoint) return 'point-to-point';
  return link.broadcast ? 'broadcast' : 'unknown';
};

const interfaceUsage = (link: Link, addresses: readonly Address[]): InterfaceUsage => ({
  addresses: addresses
    .filter(({ linkIndex }) => linkIndex === link.index)
    .map(({ family, address, prefixLength, scope }) => ({
      family,
      address,
      netmask: `${prefixLength}`,
      scope: scopes[scope],
    })),
  counters: {
    bytesReceived: link.counters.rxBytes,
    bytesSent: link.counters.txBytes,
    packetsReceived: link.counters.rxPackets,
    packetsSent: link.counters.txPackets,
    errorsReceived: link.counters.rxErrors,
    errorsSent: link.counters.txErrors,
    packetsDroppedInbound: link.counters.rxDropped,
    packetsDroppedOutbound: link.counters.txDropped,
  },
  // The loopback has an address of zeros, which says nothing.
  hwaddr: link.loopback ? '' : link.hwaddr,
  hostName: link.kind === 'veth' && link.parentIndex !== undefined ? (linkName(link.parentIndex) ?? '') : '',
  mtu: link.mtu,
  state: link.up ? 'up' : 'down',
  type: typeOf(link),
});

/** What a running container uses, from cgroup files and netlink. @throws LxdError conflict when it has stopped meanwhile */
export const containerUsage = (name: string, pid: number, cgroup: Cgroup): InstanceUsage => {
  try {
    const memory = memoryUsage(cgroup);
    const cpu = cpuUsage(cgroup)?.total;
    const links = listLinks(pid);
    const addresses = listAddresses(pid);
    return {
      pid,
      ...(cpu === undefined ? {} : { cpu }),
      memory: {
        usage: memory.usage ?? 0,
        usagePeak: memory.peak ?? 0,
        total: memory.limit ?? totalmem(),
        swapUsage: memory.swapUsage ?? 0,
        swapUsagePeak: memory.swapPeak ?? 0,
      },
      processes: processUsage(cgroup)?.count ?? -1,
      network: Object.fromEntries(links.map((link) => [link.name, interfaceUsage(link, addresses)])),
    };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) throw conflict(`Instance "${name}" is not running`, { cause: error });
    throw error;
  }
};

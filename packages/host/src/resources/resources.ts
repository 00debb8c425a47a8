import { type CpuResources, cpuResources } from './cpu.ts';
import { type GpuResources, gpuResources } from './gpu.ts';
import { type MemoryResources, memoryResources } from './memory.ts';
import { type NetworkResources, networkResources } from './network.ts';
import { type PciResources, pciResources } from './pci.ts';
import { type StorageResources, storageResources } from './storage.ts';
import { type SystemResources, systemResources } from './system.ts';
import { type UsbResources, usbResources } from './usb.ts';

/** The hardware of this host. Field names are those of the usual JSON form. */
export interface HostResources {
  cpu: CpuResources;
  memory: MemoryResources;
  gpu: GpuResources;
  network: NetworkResources;
  storage: StorageResources;
  usb: UsbResources;
  pci: PciResources;
  system: SystemResources;
}

/** Takes stock of the hardware by reading /sys and /proc; no process is started. Takes some milliseconds. */
export function hostResources(): HostResources {
  return {
    cpu: cpuResources(),
    memory: memoryResources(),
    gpu: gpuResources(),
    network: networkResources(),
    storage: storageResources(),
    usb: usbResources(),
    pci: pciResources(),
    system: systemResources(),
  };
}

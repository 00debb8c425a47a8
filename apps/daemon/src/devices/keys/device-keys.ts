import type { ConfigKey } from '@lxd-ts/driver-kit';
import { diskKeys } from './disk.ts';
import { gpuKeys } from './gpu.ts';
import { pciKeys, tpmKeys } from './host-hardware.ts';
import { infinibandKeys } from './infiniband.ts';
import { nicKeys } from './nic.ts';
import { proxyKeys } from './proxy.ts';
import { unixKeys } from './unix.ts';
import { unixHotplugKeys, usbKeys } from './usb.ts';

/** Keys of each device type of the daemon's own but `type` itself; NICs and GPUs by `nictype` and `gputype`. */
export const deviceKeys: Readonly<Record<string, readonly ConfigKey[]>> = {
  none: [],
  'nic macvlan': nicKeys.macvlan,
  'nic sriov': nicKeys.sriov,
  'nic physical': nicKeys.physical,
  'nic ovn': nicKeys.ovn,
  'nic ipvlan': nicKeys.ipvlan,
  'nic routed': nicKeys.routed,
  disk: diskKeys,
  'unix-char': unixKeys,
  'unix-block': unixKeys,
  usb: usbKeys,
  'gpu physical': gpuKeys.physical,
  'gpu mdev': gpuKeys.mdev,
  'gpu mig': gpuKeys.mig,
  'gpu sriov': gpuKeys.sriov,
  infiniband: infinibandKeys,
  proxy: proxyKeys,
  'unix-hotplug': unixHotplugKeys,
  tpm: tpmKeys,
  pci: pciKeys,
};

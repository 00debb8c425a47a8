import type { DeviceDriver } from '@lxd-ts/driver-kit';
import { disk } from './disk.ts';
import { none } from './none.ts';
import { proxy } from './proxy.ts';
import { unixBlock, unixChar } from './unix.ts';

/** The device types that belong to no driver package. NICs come with their networks. */
export const deviceDrivers: readonly DeviceDriver[] = [disk, none, proxy, unixChar, unixBlock];

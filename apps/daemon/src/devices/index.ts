import type { DeviceDriver } from '@lxd-ts/driver-kit';

/** The device types that belong to no driver package. NICs come with their networks. */
export const deviceDrivers: readonly DeviceDriver[] = [];

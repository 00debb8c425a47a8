import type { Device, DeviceContext } from '@lxd-ts/driver-kit';

/** A device among those of all instances: what drivers keep in memory is kept under it. */
export const deviceKey = (device: Pick<Device, 'name'>, { instance }: Pick<DeviceContext, 'instance'>): string =>
  `${instance.project}/${instance.name}/${device.name}`;

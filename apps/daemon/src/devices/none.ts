import { defineDeviceDriver } from '@lxd-ts/driver-kit';

/** Nothing: hides a device of the same name from an earlier profile (spec 03 §23). */
export const none = defineDeviceDriver({
  type: 'none',
  instanceTypes: ['container', 'virtual-machine'],
  hotplug: ['container', 'virtual-machine'],
  config: [],
  validate: () => undefined,
  start: async () => ({ attachments: [] }),
  stop: async () => undefined,
});

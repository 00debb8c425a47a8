/**
 * The conformance suite of network drivers. One call, in a file that vitest runs as root, checks with real interfaces, services
 * and clients that a driver does what `network/contract.ts` says. `isolateNetwork` first keeps all of it away from the host.
 *
 * @example
 * import { isolateNetwork, networkConformance } from '@lxd-ts/driver-kit/testing';
 * isolateNetwork();
 * networkConformance({ driver: bridge, nic: bridgedNic, change: { 'bridge.mtu': '1400' }, foreignKey: 'parent' });
 */
import { describe } from 'vitest';
import { guestTests } from './network/guests.ts';
import { lifecycleTests } from './network/lifecycle.ts';
import { subnetTests } from './network/subnets.ts';
import type { NetworkConformanceOptions } from './network/suite.ts';

export { askDhcp, type DhcpAnswer } from './network/dhcp.ts';
export { askDhcp6 } from './network/dhcp6.ts';
export { type FrameSocket, openFrames } from './network/frames.ts';
export { type Guest, startGuest } from './network/guest.ts';
export { isolateNetwork } from './network/isolate.ts';
export { nicContext, type TestNetwork, testNetwork } from './network/nic-context.ts';
export { type Outside, startOutside } from './network/outside.ts';
export {
  hostThings,
  type NetworkConformanceOptions,
  networkName,
  type Setting,
  startNetwork,
} from './network/suite.ts';

export const networkConformance = (options: NetworkConformanceOptions): void => {
  describe(`network driver ${options.driver.name}`, () => {
    describe('networks', () => lifecycleTests(options));
    // The others take addresses from elsewhere.
    if (options.driver.features.managed) {
      describe('subnets', () => subnetTests(options));
      describe('instances', () => guestTests(options));
    }
  });
};

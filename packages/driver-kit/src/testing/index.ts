export { type TestContext, testContext } from './context.ts';
export {
  askDhcp,
  askDhcp6,
  type DhcpAnswer,
  type FrameSocket,
  type Guest,
  hostThings,
  isolateNetwork,
  type NetworkConformanceOptions,
  networkConformance,
  networkName,
  nicContext,
  type Outside,
  openFrames,
  type Setting,
  startGuest,
  startNetwork,
  startOutside,
  type TestNetwork,
  testNetwork,
} from './network.ts';
export { type PoolForm, type StorageConformanceOptions, storageConformance } from './storage.ts';

export { type BucketClient, type BucketConformanceOptions, bucketConformance } from './buckets.ts';
export { makeBusyboxRoot } from './busybox-root.ts';
export { fileSystemRefusal, type TestContext, testContext } from './context.ts';
export { collect, type InstanceSuite, makeSuite, output, request, sh } from './instance/suite.ts';
export { type InstanceConformanceOptions, type InstanceForm, instanceConformance } from './instance.ts';
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
export { type ImportFrom, type PoolForm, type StorageConformanceOptions, storageConformance } from './storage.ts';

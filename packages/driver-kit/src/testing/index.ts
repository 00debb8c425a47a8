export { type TestContext, testContext } from './context.ts';
export { type PoolForm, type StorageConformanceOptions, storageConformance } from './storage.ts';

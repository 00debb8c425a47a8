import type * as z from 'zod';
import { count, struct, text, textMap, texts } from './schema.ts';

export * from './storage-buckets.ts';
export * from './storage-volumes.ts';

export const storagePoolPut = struct({ config: textMap, description: text });
export type StoragePoolPut = z.infer<typeof storagePoolPut>;

export const storagePoolsPost = struct({ ...storagePoolPut.shape, name: text, driver: text });
export type StoragePoolsPost = z.infer<typeof storagePoolsPost>;

export const storagePool = struct({
  ...storagePoolPut.shape,
  name: text,
  driver: text,
  used_by: texts,
  status: text,
  locations: texts,
});
export type StoragePool = z.infer<typeof storagePool>;

/** Bytes. */
export const resourcesStoragePoolSpace = struct({ used: count, total: count });
export type ResourcesStoragePoolSpace = z.infer<typeof resourcesStoragePoolSpace>;

export const resourcesStoragePoolInodes = struct({ used: count, total: count });
export type ResourcesStoragePoolInodes = z.infer<typeof resourcesStoragePoolInodes>;

/** `GET /1.0/storage-pools/<pool>/resources`. */
export const resourcesStoragePool = struct({ space: resourcesStoragePoolSpace, inodes: resourcesStoragePoolInodes });
export type ResourcesStoragePool = z.infer<typeof resourcesStoragePool>;

export const storagePoolState = struct(resourcesStoragePool.shape);
export type StoragePoolState = z.infer<typeof storagePoolState>;

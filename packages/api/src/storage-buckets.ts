import type * as z from 'zod';
import { struct, text, textMap } from './schema.ts';

export const storageBucketPut = struct({ config: textMap, description: text });
export type StorageBucketPut = z.infer<typeof storageBucketPut>;

export const storageBucketsPost = struct({ ...storageBucketPut.shape, name: text });
export type StorageBucketsPost = z.infer<typeof storageBucketsPost>;

export const storageBucket = struct({ ...storageBucketPut.shape, name: text, s3_url: text, location: text });
export type StorageBucket = z.infer<typeof storageBucket>;

/** Empty keys are made up by the server. */
export const storageBucketKeyPut = struct({ description: text, role: text, 'access-key': text, 'secret-key': text });
export type StorageBucketKeyPut = z.infer<typeof storageBucketKeyPut>;

export const storageBucketKeysPost = struct({ ...storageBucketKeyPut.shape, name: text });
export type StorageBucketKeysPost = z.infer<typeof storageBucketKeysPost>;

export const storageBucketKey = struct({ ...storageBucketKeyPut.shape, name: text });
export type StorageBucketKey = z.infer<typeof storageBucketKey>;

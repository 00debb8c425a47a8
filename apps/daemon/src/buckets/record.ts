/** What a bucket says of itself beside its objects, so that it can be recovered with its keys when the database is lost. */
import { join } from 'node:path';
import { type BucketRole, badRequest, bucketRoles, bucketVolume } from '@lxd-ts/driver-kit';
import { replaceFile } from '@lxd-ts/host';
import type { Logger } from 'pino';
import { stringify } from 'yaml';
import { z } from 'zod';
import { parseYaml } from '../backups/yaml.ts';
import type { Pools } from '../storage/pools.ts';
import type { BucketStore, StoredBucket, StoredKey } from './store.ts';

/** In the directory of a bucket's volume, where S3 clients do not see it. */
export const bucketRecordFile = 'backup.yaml';

const recordSchema = z.object({
  bucket: z.object({
    project: z.string(),
    name: z.string(),
    description: z.string(),
    config: z.record(z.string(), z.string()),
    keys: z.array(
      z.object({
        name: z.string(),
        description: z.string(),
        role: z.enum(bucketRoles),
        'access-key': z.string(),
        'secret-key': z.string(),
      }),
    ),
  }),
});

export interface BucketRecord {
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
  readonly keys: readonly {
    readonly name: string;
    readonly description: string;
    readonly role: BucketRole;
    readonly accessKey: string;
    readonly secretKey: string;
  }[];
}

/** The record of a bucket as YAML. */
export const renderBucketRecord = (
  { project, name, description, config }: Omit<BucketRecord, 'keys'>,
  keys: BucketRecord['keys'],
): string =>
  stringify({
    bucket: {
      project,
      name,
      description,
      config,
      keys: keys.map((key) => ({
        name: key.name,
        description: key.description,
        role: key.role,
        'access-key': key.accessKey,
        'secret-key': key.secretKey,
      })),
    },
  });

/** Reads what `renderBucketRecord` wrote. @throws LxdError bad-request, as the end of a sentence about the bucket */
export const parseBucketRecord = (text: string): BucketRecord => {
  const result = recordSchema.safeParse(parseYaml(text, 'its backup file'));
  if (!result.success) throw badRequest(`its backup file is not that of a bucket: ${z.prettifyError(result.error)}`);
  const { bucket } = result.data;
  return {
    ...bucket,
    keys: bucket.keys.map(({ 'access-key': accessKey, 'secret-key': secretKey, ...key }) => ({
      ...key,
      accessKey,
      secretKey,
    })),
  };
};

/** Keeps the records of local buckets. */
export interface BucketRecords {
  /** Writes what the database says now. What fails is told to the operator: the bucket serves on. For a caller who holds its lock. */
  write(bucket: Pick<StoredBucket, 'pool' | 'project' | 'name'>): Promise<void>;
}

interface Parts {
  readonly pools: Pools;
  readonly stores: { readonly buckets: BucketStore };
  readonly log: Logger;
}

export const createBucketRecords = ({ pools, stores: { buckets: store }, log }: Parts): BucketRecords => ({
  async write({ pool, project, name }) {
    const bucket = await store.get(pool, project, name);
    if (!bucket.local) return;
    const keys: readonly StoredKey[] = await store.keys(bucket.id);
    try {
      const { storage } = await pools.open(pool);
      await using mounted = await storage.mountVolume(bucketVolume(bucket));
      await replaceFile(join(mounted.path, bucketRecordFile), renderBucketRecord(bucket, keys), 0o600);
    } catch (error) {
      // A bucket that is full, say.
      log.warn({ err: error, bucket: name, pool }, 'Could not write down what the bucket is, for its recovery');
    }
  },
});

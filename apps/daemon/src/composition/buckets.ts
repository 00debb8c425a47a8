/** S3 buckets: in pools that serve S3 themselves, or as volumes that are served from here. */
import { isKind, isTrue } from '@lxd-ts/driver-kit';
import type { Access } from '@lxd-ts/s3';
import { createBucketKeys } from '../buckets/keys.ts';
import { createBucketListener } from '../buckets/listener.ts';
import { createBucketRecords } from '../buckets/record.ts';
import { createServedBuckets } from '../buckets/served.ts';
import { createBucketService } from '../buckets/service.ts';
import type { Base } from './base.ts';
import type { Storage } from './storage.ts';

export const createBuckets = (base: Base, { pools }: Storage) => {
  const { stores, projectConfig } = base;
  const served = createServedBuckets({ ...base, pools });

  const access: Access = async (accessKey) => {
    const found = await stores.buckets.byAccessKey(accessKey);
    if (!found?.bucket.local || found.bucket.state !== 'ready') return undefined;
    const { bucket, key } = found;
    return {
      secretKey: key.secretKey,
      readOnly: key.role === 'read-only',
      buckets: [
        {
          name: bucket.name,
          async use() {
            try {
              return await served.use(bucket);
            } catch (error) {
              const { S3Error } = await import('@lxd-ts/s3');
              // It may have been deleted while it was waited for.
              const now = await stores.buckets.byAccessKey(accessKey);
              if (now?.bucket.state !== 'ready') throw new S3Error('NoSuchBucket', undefined, { cause: error });
              throw isKind(error, 'unavailable') ? new S3Error('SlowDown', error.message, { cause: error }) : error;
            }
          },
        },
      ],
    };
  };
  const records = createBucketRecords({ ...base, pools });
  const listener = createBucketListener({ ...base, access });

  return {
    buckets: createBucketService({ ...base, pools, served, records, localUrl: listener.url }),
    keys: createBucketKeys({ ...base, pools, records }),
    records,
    served,
    listener,
    /** A project without buckets of its own uses those of the default project. */
    projectOf: async (name: string): Promise<string> =>
      name === 'default' || isTrue((await projectConfig(name))['features.storage.buckets']) ? name : 'default',
  };
};

export type Buckets = ReturnType<typeof createBuckets>;

import { stat } from 'node:fs/promises';
import { createAssembled } from './assembled.ts';
import { createKeyLocks } from './key-locks.ts';
import { layoutOf, prepareLayout } from './layout.ts';
import { createObjects, type Objects } from './objects.ts';
import { createUploads, type Uploads } from './uploads.ts';

/** The files of a bucket. */
export interface BucketFiles extends AsyncDisposable {
  readonly objects: Objects;
  readonly uploads: Uploads;
  /** When the directory became a bucket. */
  readonly createdAt: Date;
  /** What an earlier run left half done has been cleared up. */
  readonly tidied: Promise<void>;
}

/**
 * Opens the directory of a bucket, which may be empty. One process may have it open at a time.
 *
 * @param options.onError - told when clearing up what an earlier run left fails
 */
export const openBucketFiles = async (
  directory: string,
  options: { readonly onError?: (error: unknown) => void } = {},
): Promise<BucketFiles> => {
  const layout = layoutOf(directory);
  await prepareLayout(layout);
  const { birthtime } = await stat(layout.objects);
  const locks = createKeyLocks();
  const assembled = createAssembled(layout);
  const objects = createObjects(layout, locks, assembled);
  const uploads = createUploads(layout, locks, objects, assembled);
  const closing = new AbortController();
  // Beside the first requests: there may be many to look at.
  const tidied = uploads.tidy(closing.signal).catch((error: unknown) => options.onError?.(error));
  return {
    objects,
    uploads,
    createdAt: birthtime,
    tidied,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await tidied;
    },
  };
};

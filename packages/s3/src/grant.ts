import type { BucketFiles } from './bucket-files.ts';

/** A bucket in use for one request. */
export interface BucketUse extends AsyncDisposable {
  readonly files: BucketFiles;
  /** Ends the request at once: the bucket must be let go. */
  readonly signal?: AbortSignal;
}

/** A bucket that a key opens. */
export interface GrantedBucket {
  readonly name: string;
  /** Makes the bucket's files accessible until disposed. Called for each request that needs them. What it throws is answered. */
  use(): Promise<BucketUse>;
}

/** What an access key stands for. */
export interface Grant {
  readonly secretKey: string;
  /** May list and get only. */
  readonly readOnly: boolean;
  readonly buckets: readonly GrantedBucket[];
}

/** Looks up an access key; undefined when there is no such key. Called once for each request, with text from outside. */
export type Access = (accessKey: string) => Promise<Grant | undefined> | Grant | undefined;

/**
 * The contract of storage buckets: S3 object storage in a pool. A driver declares `features.buckets`, and has one of two shapes.
 *
 * Local
 * -----
 * The pool has no `buckets` member. The files of a bucket are those of a volume of type `bucket` (content `filesystem`), which the
 * caller makes, resizes, mounts and deletes like any other, and over which it serves S3 itself. `volume.config.size` is the
 * bucket's quota, if the driver's `bucketConfig` has that key. A driver needs no code of its own for this beyond a place for
 * the volumes (`layout.ts`: the directory `buckets`). Writes past the quota must fail with EDQUOT or ENOSPC.
 *
 * Remote
 * ------
 * The pool has a `buckets` member, this file's `BucketPool`: something else (Ceph's radosgw) serves S3, and the driver makes
 * buckets and credentials there. The caller never sees an object of such a bucket.
 *
 * Order of calls
 * --------------
 * `create`, then `setKey`, `deleteKey`, `resize` as often as wanted, then `delete`, which also removes keys that are left.
 * The caller never runs two changing calls about one bucket at once; calls about different buckets do run at once.
 *
 * Who keeps what
 * --------------
 * The caller keeps names, configuration, descriptions and credentials, and has checked them: names by the rules of S3, roles,
 * sizes. It makes the credentials (`generateCredentials`) and passes them in. Nothing is stored by the driver but in the service.
 *
 * Failure
 * -------
 * As in `contract.ts`: a call that throws leaves things as they were, `delete` and `deleteKey` succeed on what is not there, and
 * `setKey` may be repeated. After a crash in the middle of `create` the caller calls `delete`.
 */
import { randomInt } from 'node:crypto';
import { badRequest } from '../errors.ts';
import type { Work } from '../work.ts';
import type { Volume } from './contract.ts';

/** What a key may do: `admin` everything in its bucket, `read-only` list and get. */
export const bucketRoles = ['admin', 'read-only'] as const;
export type BucketRole = (typeof bucketRoles)[number];

/** Names one bucket. Plain data. */
export interface Bucket {
  /** `default` unless in another project. */
  readonly project: string;
  /** As S3 clients say it, but for a prefix of the driver's. Unique in the pool, across projects. */
  readonly name: string;
  /** By the driver's `bucketConfig`, with the pool's `volume.*` defaults already applied. */
  readonly config: Readonly<Record<string, string>>;
}

/** A pair of an access key and a secret key, as S3 clients are given it. */
export interface BucketCredentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Credentials for one bucket, under a name that only the operator sees. */
export interface BucketKey extends BucketCredentials {
  readonly name: string;
  readonly role: BucketRole;
}

/** The buckets of a pool whose S3 is served elsewhere. */
export interface BucketPool {
  /** Where S3 clients find the bucket: the endpoint, and the bucket's name there as its path (`https://radosgw:8080/prefix-b1`). */
  url(bucket: Bucket): string;

  /** Whether anything of the bucket exists in the service. */
  has(bucket: Bucket): Promise<boolean>;

  /**
   * Makes an empty bucket with the quota of `config.size`, if set, that nobody has keys for yet.
   *
   * @throws LxdError conflict when a bucket of this name is there, unavailable when the service cannot be reached
   */
  create(bucket: Bucket, work?: Work): Promise<void>;

  /**
   * Sets the quota in bytes; `undefined` lifts it.
   *
   * @throws LxdError bad-request when it is less than what the bucket holds
   */
  resize(bucket: Bucket, size: number | undefined, work?: Work): Promise<void>;

  /** Deletes the bucket with all objects and keys. Nothing there is no error. */
  delete(bucket: Bucket, work?: Work): Promise<void>;

  /**
   * Makes a key or, when `before` is given, puts `key` (of the same name) in its place: after the call `key` works with its role,
   * and `before`'s credentials do no longer, unless they are the same.
   *
   * @param before - the key as it was; undefined: it is new
   * @throws LxdError conflict when another key has this access key
   */
  setKey(bucket: Bucket, key: BucketKey, before?: BucketKey): Promise<void>;

  /** Makes a key's credentials void. Nothing there is no error. */
  deleteKey(bucket: Bucket, key: BucketKey): Promise<void>;
}

/** The volume that holds the files of a local bucket. */
export const bucketVolume = ({ project, name, config }: Bucket): Volume => ({
  type: 'bucket',
  content: 'filesystem',
  project,
  name,
  config,
});

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

const randomText = (length: number): string =>
  Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');

/** Random credentials as LXD forms them: 16 letters and digits, and 32 of them (190 bits). */
export const generateCredentials = (): BucketCredentials => ({ accessKey: randomText(16), secretKey: randomText(32) });

/**
 * Checks credentials that an operator chose. An access key stands in HTTP headers between `/`, `,` and `=`, and on command lines.
 *
 * @throws LxdError bad-request that names the field, as the API has it
 */
export const checkCredentials = ({ accessKey, secretKey }: BucketCredentials): void => {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{2,127}$/.test(accessKey)) {
    throw badRequest(
      'Invalid value for "access-key": must be 3-128 letters, digits, underscores, dots and hyphens, without a dot or hyphen at the beginning',
    );
  }
  if (!/^[\x21-\x7e]{8,128}$/.test(secretKey)) {
    throw badRequest('Invalid value for "secret-key": must be 8-128 printable ASCII characters without spaces');
  }
};

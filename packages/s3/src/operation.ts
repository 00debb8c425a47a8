import type { Body } from './body.ts';
import type { BucketFiles } from './bucket-files.ts';
import { S3Error } from './errors.ts';
import type { Grant, GrantedBucket } from './grant.ts';
import type { Target } from './target.ts';
import { renderXml, type Xml } from './xml.ts';

/** What is answered. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  /** A document, or data that is read as it is sent. */
  readonly body?: string | AsyncIterable<Buffer>;
}

/** A request that is known who sent it and what it is about. */
export interface Call {
  readonly target: Target;
  readonly grant: Grant;
  /** The body; asking for it tells the client to send it. @param limit - of a document, in bytes */
  body(limit?: number): Body;
  /** Ends the connection. */
  cut(): void;
  /** A bucket that the key opens. @throws S3Error AccessDenied */
  granted(name: string): GrantedBucket;
}

/** A call about a bucket or an object in it. */
export interface BucketCall extends Call {
  readonly bucket: string;
  /** Empty when it is about the bucket. */
  readonly key: string;
  readonly files: BucketFiles;
  /** The bucket must be let go: what takes long ends. */
  readonly signal?: AbortSignal | undefined;
}

export const document = (root: string, content: { readonly [name: string]: Xml | readonly Xml[] }): Reply => ({
  status: 200,
  headers: { 'Content-Type': 'application/xml' },
  body: renderXml(root, content),
});

export const nothing = (headers: Reply['headers'] = {}): Reply => ({ status: 204, headers });

export const quoted = (etag: string): string => `"${etag}"`;

/** Who owns everything: S3 wants to be told. */
export const owner = { ID: 'owner', DisplayName: 'owner' };

/**
 * A parameter that counts.
 *
 * @throws S3Error InvalidArgument
 */
export const countParam = (target: Target, name: string, max: number): number => {
  const text = target.param(name);
  if (text === undefined || text === '') return max;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2147483647) {
    throw new S3Error('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`);
  }
  return Math.min(Number(text), max);
};

/**
 * The parameter `encoding-type`, as a function for what it is about.
 *
 * @throws S3Error InvalidArgument
 */
export const encodingParam = (target: Target, encode: (text: string) => string): ((text: string) => string) => {
  const type = target.param('encoding-type');
  if (type === undefined || type === '') return (text) => text;
  if (type !== 'url') throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request');
  return encode;
};

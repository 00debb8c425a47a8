/** Which operation a request is, as the S3 API reference has it: by method, by what the path names, and by parameters. */
import { copyObject } from './copy.ts';
import { deleteObjects } from './delete-objects.ts';
import { S3Error } from './errors.ts';
import { listObjects } from './list-objects.ts';
import { abortUpload, completeUpload, createUpload, listParts, listUploads, putPart } from './multipart-operations.ts';
import { deleteObject, getObject, putObject } from './object-operations.ts';
import { type BucketCall, type Call, document, owner, type Reply } from './operation.ts';
import type { Target } from './target.ts';

/** Parameters that make another operation of a request: one of these that is not served must not be taken for what it looks like. */
const subresources = new Set([
  'accelerate',
  'acl',
  'analytics',
  'annotation',
  'append',
  'attributes',
  'cors',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'logging',
  'metadataConfiguration',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'versions',
  'website',
]);

const notImplemented = (what: string): S3Error => new S3Error('NotImplemented', `${what} is not implemented.`);

interface Operation {
  /** Changes something: refused to keys that may only read. */
  readonly writes: boolean;
  readonly run: (call: BucketCall) => Promise<Reply> | Reply;
}

const reads = (run: Operation['run']): Operation => ({ writes: false, run });
const writes = (run: Operation['run']): Operation => ({ writes: true, run });

const location = (): Reply => document('LocationConstraint', {});
const versioning = (): Reply => document('VersioningConfiguration', {});
const found = (): Reply => ({ status: 200, headers: { 'x-amz-bucket-region': 'us-east-1' } });

const onBucket = (target: Target): Operation => {
  const has = (name: string): boolean => target.param(name) !== undefined;
  switch (target.method) {
    case 'GET':
      if (has('location')) return reads(location);
      if (has('versioning')) return reads(versioning);
      return reads(has('uploads') ? listUploads : listObjects);
    case 'HEAD':
      return reads(found);
    case 'POST':
      if (has('delete')) return writes(deleteObjects);
      throw notImplemented('Upload by a form');
    case 'PUT':
      if (has('versioning')) throw notImplemented('Versioning');
      return writes(() => {
        throw new S3Error('BucketAlreadyOwnedByYou');
      });
    case 'DELETE':
      throw notImplemented('Deleting a bucket through S3');
    default:
      throw new S3Error('MethodNotAllowed');
  }
};

const onObject = (target: Target): Operation => {
  const has = (name: string): boolean => target.param(name) !== undefined;
  const version = target.param('versionId');
  if (version !== undefined && version !== 'null') throw notImplemented('Access to versions of objects');
  switch (target.method) {
    case 'GET':
      return reads(has('uploadId') ? listParts : getObject);
    case 'HEAD':
      return reads(getObject);
    case 'PUT':
      if (has('uploadId') || has('partNumber')) return writes(putPart);
      return writes(target.header('x-amz-copy-source') === undefined ? putObject : copyObject);
    case 'POST':
      if (has('uploads')) return writes(createUpload);
      if (has('uploadId')) return writes(completeUpload);
      throw notImplemented('POST of an object');
    case 'DELETE':
      return writes(has('uploadId') ? abortUpload : deleteObject);
    default:
      throw new S3Error('MethodNotAllowed');
  }
};

const listBuckets = async ({ grant }: Call): Promise<Reply> => {
  const buckets = [];
  for (const { name, use } of grant.buckets) {
    await using open = await use();
    buckets.push({ Name: name, CreationDate: open.files.createdAt });
  }
  return document('ListAllMyBucketsResult', { Owner: owner, Buckets: { Bucket: buckets } });
};

/**
 * Runs the operation that a request is.
 *
 * @param bucket - the bucket it names; empty: none
 * @param key - the object; empty: none
 */
export const dispatch = async (call: Call, bucket: string, key: string): Promise<Reply> => {
  const { target, grant } = call;
  const other = target.query.find(([name]) => subresources.has(name));
  if (other) throw notImplemented(`The subresource "${other[0]}"`);
  if (bucket === '') {
    if (target.method !== 'GET' && target.method !== 'HEAD') throw new S3Error('MethodNotAllowed');
    return listBuckets(call);
  }
  const granted = call.granted(bucket);
  const { writes, run } = key === '' ? onBucket(target) : onObject(target);
  if (writes && grant.readOnly) throw new S3Error('AccessDenied', 'The key may only read.');
  await using stack = new AsyncDisposableStack();
  const use = stack.use(await granted.use());
  use.signal?.throwIfAborted();
  use.signal?.addEventListener('abort', call.cut);
  stack.defer(() => use.signal?.removeEventListener('abort', call.cut));
  const reply = await run({ ...call, bucket, key, files: use.files, signal: use.signal });
  const { body } = reply;
  if (body === undefined || typeof body === 'string') return reply;
  // The bucket stays open until the data has been sent.
  const kept = stack.move();
  const data = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* body;
    } finally {
      await kept.disposeAsync();
    }
  };
  return { ...reply, body: data() };
};

/** S3 clients inside a test. */
import { S3Client } from '@aws-sdk/client-s3';
import type { StorageBucketKey } from '@lxd-ts/api';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * A client with a bucket's key, over HTTPS; the server's certificate is its own.
 *
 * @param url - the bucket's `s3_url`
 */
export const s3Client = (key: StorageBucketKey, url: string): S3Client =>
  new S3Client({
    endpoint: new URL(url).origin,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: key['access-key'], secretAccessKey: key['secret-key'] },
    // With it the client would use another agent, which trusts no such certificate.
    expectContinueHeader: false,
    requestHandler: new NodeHttpHandler({ httpsAgent: { rejectUnauthorized: false } }),
  });

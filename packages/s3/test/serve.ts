/** Serves buckets over plain HTTP or HTTPS inside a test, for real clients. */
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { type BucketFiles, openBucketFiles } from '../src/bucket-files.ts';
import type { Grant } from '../src/grant.ts';
import { type ListenOptions, listenS3 } from '../src/server.ts';

export const secret = 'a secret of thirty-two letters 0';

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The directory of the bucket `data`. */
  readonly directory: string;
  readonly files: () => BucketFiles;
  /** Errors that were answered with InternalError. */
  readonly failures: unknown[];
  /** A client with the key `admin`, unless another is named. */
  readonly client: (accessKey?: string, secretKey?: string) => S3Client;
  /** Closes the bucket and opens it again, as another run of the server would. */
  readonly reopen: () => Promise<void>;
}

/** Keys: `admin` and `reader` (read-only) of the bucket `data`, `other` of the bucket `other`; all with the same secret. */
export const serveTest = async (
  options: Partial<ListenOptions> & { readonly directory?: string } = {},
): Promise<TestServer> => {
  const scratch = makeScratch();
  const directory = options.directory ?? join(scratch.folder, 'data');
  const failures: unknown[] = [];
  let files = await openBucketFiles(directory);
  const other = await openBucketFiles(join(scratch.folder, 'other'));
  const clients: S3Client[] = [];

  const grant = (name: string, use: () => BucketFiles, readOnly = false): Grant => ({
    secretKey: secret,
    readOnly,
    buckets: [
      {
        name,
        use: async () => ({ files: use(), [Symbol.asyncDispose]: async () => undefined }),
      },
    ],
  });
  const grants = new Map([
    ['admin', grant('data', () => files)],
    ['reader', grant('data', () => files, true)],
    ['other', grant('other', () => other)],
  ]);
  const server = await listenS3({
    host: '127.0.0.1',
    port: 0,
    domains: ['localhost'],
    access: (accessKey) => grants.get(accessKey),
    onError: (error) => failures.push(error),
    ...options,
  });
  const url = `${options.tls ? 'https' : 'http'}://127.0.0.1:${server.port}`;

  return {
    url,
    port: server.port,
    directory,
    files: () => files,
    failures,
    client(accessKey = 'admin', secretKey = secret) {
      const client = new S3Client({
        endpoint: url,
        region: 'us-east-1',
        forcePathStyle: true,
        maxAttempts: 1,
        credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
      });
      clients.push(client);
      return client;
    },
    async reopen() {
      await files[Symbol.asyncDispose]();
      files = await openBucketFiles(directory);
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await server[Symbol.asyncDispose]();
      await Promise.all([files, other].map((one) => one[Symbol.asyncDispose]()));
      await scratch[Symbol.asyncDispose]();
    },
  };
};

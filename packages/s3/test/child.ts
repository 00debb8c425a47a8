/** A server in a process of its own, to be killed: serves the directory that it is told, and prints its port. */
import { listenS3, openBucketFiles } from '@lxd-ts/s3';

const [directory = '', secretKey = ''] = process.argv.slice(2);
const files = await openBucketFiles(directory);
const bucket = { name: 'data', use: async () => ({ files, [Symbol.asyncDispose]: async () => undefined }) };
const server = await listenS3({
  host: '127.0.0.1',
  port: 0,
  access: (accessKey) => (accessKey === 'admin' ? { secretKey, readOnly: false, buckets: [bucket] } : undefined),
});
console.log(server.port);

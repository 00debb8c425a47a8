export { type BucketFiles, openBucketFiles } from './bucket-files.ts';
export { type ErrorCode, S3Error } from './errors.ts';
export type { Access, BucketUse, Grant, GrantedBucket } from './grant.ts';
export { createS3Handler, type S3Handler, type S3Options } from './handler.ts';
export { type ListenOptions, listenS3, type S3Server } from './server.ts';

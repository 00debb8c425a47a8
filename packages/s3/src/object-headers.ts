/** The headers of an object: those that are stored with it and given back, and those that ask for what is not there. */
import { S3Error } from './errors.ts';
import type { ObjectRecord } from './object-file.ts';
import { quoted } from './operation.ts';
import type { Target } from './target.ts';

const kept = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
] as const;

const metadataPrefix = 'x-amz-meta-';
/** S3's limit of user-defined metadata, names and values together. */
const maxMetadataBytes = 2048;
/** And of the other headers. */
const maxHeaderBytes = 4096;

/** Headers of features that are not here. Silence about them would be a lie: the object would be less safe than asked for. */
const notServed = [
  /^x-amz-(copy-source-)?server-side-encryption/,
  /^x-amz-object-lock-/,
  /^x-amz-tagging/,
  /^x-amz-website-redirect-location$/,
  /^x-amz-grant-/,
  /^x-amz-write-offset-bytes$/,
];
/** All that is here belongs to the owner alone, so these change nothing. */
const ownersAcl = new Set(['private', 'bucket-owner-full-control', 'bucket-owner-read']);

const size = (record: Readonly<Record<string, string>>): number =>
  Object.entries(record).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);

/**
 * Refuses what a write asks for that is not served.
 *
 * @throws S3Error NotImplemented, AccessControlListNotSupported, InvalidStorageClass
 */
export const refuseNotServed = (target: Target): void => {
  const refused = target.headerNames.find((name) => notServed.some((pattern) => pattern.test(name)));
  if (refused !== undefined) throw new S3Error('NotImplemented', `The header ${refused} is not implemented.`);
  const acl = target.header('x-amz-acl');
  if (acl !== undefined && !ownersAcl.has(acl)) throw new S3Error('AccessControlListNotSupported');
  const storageClass = target.header('x-amz-storage-class');
  if (storageClass !== undefined && storageClass !== 'STANDARD') throw new S3Error('InvalidStorageClass');
};

/**
 * What a write says of its object.
 *
 * @throws S3Error MetadataTooLarge
 */
export const describedBy = (target: Target): Pick<ObjectRecord, 'headers' | 'metadata'> => {
  const headers: Record<string, string> = {};
  for (const name of kept) {
    const value = target.header(name);
    if (value !== undefined) headers[name] = value;
  }
  if (headers['content-encoding'] !== undefined) {
    // The encoding of the transfer is not one of the object.
    const rest = headers['content-encoding'].split(',').filter((one) => one.trim() !== 'aws-chunked');
    if (rest.length === 0) delete headers['content-encoding'];
    else headers['content-encoding'] = rest.join(',').trim();
  }
  const metadata = Object.fromEntries(
    target.headerNames
      .filter((name) => name.startsWith(metadataPrefix) && name !== metadataPrefix)
      .map((name) => [name.slice(metadataPrefix.length), target.header(name) ?? '']),
  );
  if (size(metadata) > maxMetadataBytes || size(headers) > maxHeaderBytes) throw new S3Error('MetadataTooLarge');
  return { headers, metadata };
};

/** Parameters of a read that name headers of its answer. */
const overrides = kept.map((name) => [`response-${name}`, name] as const);

/** A header's value as HTTP can hold it; parameters can hold more. */
const checkValue = (value: string): string => {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
    throw new S3Error('InvalidArgument', 'A response- parameter holds what a header cannot.');
  }
  return value;
};

/**
 * The headers of an answer that is about an object.
 *
 * @throws S3Error InvalidArgument
 */
export const headersOf = (target: Target, record: ObjectRecord): Record<string, string> => {
  const headers: Record<string, string> = {
    'Accept-Ranges': 'bytes',
    'Last-Modified': new Date(record.modified).toUTCString(),
    ETag: quoted(record.etag),
    'content-type': 'binary/octet-stream',
    ...record.headers,
  };
  for (const [name, value] of Object.entries(record.metadata)) headers[`${metadataPrefix}${name}`] = value;
  for (const [parameter, name] of overrides) {
    const value = target.param(parameter);
    if (value !== undefined) headers[name] = checkValue(value);
  }
  if (record.checksum && target.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    headers[`x-amz-checksum-${record.checksum.algorithm}`] = record.checksum.value;
    headers['x-amz-checksum-type'] = 'FULL_OBJECT';
  }
  return headers;
};

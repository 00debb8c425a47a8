import { constants } from 'node:os';

/** The errors of S3, as its API reference lists them ("Error responses"): code, HTTP status, sentence. */
const table = {
  AccessControlListNotSupported: [400, 'The bucket does not allow ACLs: objects are private.'],
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header you provided is invalid.'],
  AuthorizationQueryParametersError: [400, 'The authorization query parameters you provided are invalid.'],
  BadDigest: [400, 'The checksum you specified did not match what we received.'],
  BucketAlreadyOwnedByYou: [409, 'The bucket exists already, and it is yours.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed object size.'],
  IncompleteBody: [400, 'You did not provide the number of bytes specified by the Content-Length HTTP header.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The access key ID you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid argument.'],
  InvalidDigest: [400, 'The Content-MD5 or checksum value that you specified is not valid.'],
  InvalidPart: [400, 'One or more of the specified parts could not be found, or its entity tag did not match.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable.'],
  InvalidRequest: [400, 'Invalid request.'],
  InvalidStorageClass: [400, 'The storage class you specified is not valid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, 'Your key is too long.'],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our published schema.'],
  MaxMessageLengthExceeded: [400, 'Your request was too big.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchUpload: [404, 'The specified multipart upload does not exist: it may have been aborted or completed.'],
  NotImplemented: [501, 'A header or query you provided implies functionality that is not implemented.'],
  NotModified: [304, 'Not Modified'],
  PreconditionFailed: [412, 'At least one of the preconditions you specified did not hold.'],
  QuotaExceeded: [403, 'The bucket is full: its quota, or the space of its storage pool, does not allow this write.'],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
  SlowDown: [503, 'Please reduce your request rate.'],
  XAmzContentSHA256Mismatch: [400, 'The provided x-amz-content-sha256 header does not match what was computed.'],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorCode = keyof typeof table;

/** An error that is answered to the client as S3 does. */
export class S3Error extends Error {
  override readonly name: string = 'S3Error';
  readonly code: ErrorCode;
  readonly status: number;

  /** @param message - S3's own sentence when absent */
  constructor(code: ErrorCode, message?: string, options?: ErrorOptions) {
    super(message ?? table[code][1], options);
    this.code = code;
    this.status = table[code][0];
  }
}

/** The code of a failed system call, if that is what was thrown. */
export const errnoOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  // libuv has no name for it.
  if ('errno' in error && error.errno === -constants.errno.EDQUOT) return 'EDQUOT';
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
};

/** Whether a system call failed with one of these codes. */
export const isErrno = (error: unknown, ...codes: readonly string[]): boolean => codes.includes(errnoOf(error) ?? '');

/** Whatever was thrown, as what the client is told. Only what is nobody's fault but the server's is an InternalError. */
export const toS3Error = (error: unknown): S3Error => {
  if (error instanceof S3Error) return error;
  // The bucket was taken away in the middle.
  if (error instanceof Error && error.name === 'AbortError')
    return new S3Error('NoSuchBucket', undefined, { cause: error });
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return new S3Error('QuotaExceeded', undefined, { cause: error });
  if (isErrno(error, 'ENAMETOOLONG')) return new S3Error('KeyTooLongError', undefined, { cause: error });
  return new S3Error('InternalError', undefined, { cause: error });
};

/** Who is asking: signature V4 in the header or in the query (presigned URLs). */
import { S3Error } from './errors.ts';
import type { Access, Grant } from './grant.ts';
import { isSame, type Scope, scopeText, sign, signingKey, textToSign } from './signature.ts';
import type { Target } from './target.ts';

/** How far the clocks of client and server may be apart. */
const maxSkew = 15 * 60 * 1000;
/** The longest life of a presigned URL, in seconds. */
const maxExpiry = 7 * 24 * 3600;

const algorithm = 'AWS4-HMAC-SHA256';
export const unsignedPayload = 'UNSIGNED-PAYLOAD';

/** A request whose sender is known. */
export interface Authenticated {
  readonly grant: Grant;
  /** The hash of the body in hex, or a word that says how it is signed. */
  readonly payload: string;
  /** Signs the chunks of a body that is sent in signed chunks. */
  readonly chunks: {
    /** The signature before the first chunk. */
    readonly seed: string;
    /** @param kind - `PAYLOAD` or `TRAILER` */
    sign(kind: string, lines: readonly string[]): string;
  };
}

interface Claim {
  readonly accessKey: string;
  readonly scope: Scope;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly time: string;
  readonly payload: string;
}

/** `20260101T000000Z` as milliseconds since 1970. */
const parseTime = (text: string): number | undefined => {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
};

const parseCredential = (text: string): { accessKey: string; scope: Scope } | undefined => {
  const match = /^([^/]{1,256})\/(\d{8})\/([^/]{0,64})\/([^/]{1,64})\/aws4_request$/.exec(text);
  if (!match) return undefined;
  const [, accessKey = '', date = '', region = '', service = ''] = match;
  return { accessKey, scope: { date, region, service } };
};

const parseSignedHeaders = (text: string): string[] => text.toLowerCase().split(';');

const oldSignature = (): S3Error =>
  new S3Error(
    'InvalidRequest',
    `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
  );

const fromHeader = (target: Target, authorization: string): Claim => {
  if (!authorization.startsWith(`${algorithm} `)) {
    throw authorization.startsWith('AWS ')
      ? oldSignature()
      : new S3Error('InvalidArgument', 'Unsupported Authorization Type');
  }
  const fields = new Map(
    authorization
      .slice(algorithm.length)
      .split(',')
      .map((field) => {
        const [name = '', ...value] = field.trim().split('=');
        return [name, value.join('=')];
      }),
  );
  const credential = parseCredential(fields.get('Credential') ?? '');
  const signature = fields.get('Signature');
  const signedHeaders = fields.get('SignedHeaders');
  if (!credential || !signature || !signedHeaders) throw new S3Error('AuthorizationHeaderMalformed');
  const date = target.header('date');
  const time = target.header('x-amz-date') ?? (date === undefined ? '' : isoBasic(date));
  const at = parseTime(time);
  if (at === undefined)
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  if (Math.abs(Date.now() - at) > maxSkew) throw new S3Error('RequestTimeTooSkewed');
  const payload = target.header('x-amz-content-sha256');
  if (payload === undefined)
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  return { ...credential, signature, signedHeaders: parseSignedHeaders(signedHeaders), time, payload };
};

/** The `Date` header's form as that of `x-amz-date`. */
const isoBasic = (date: string): string => {
  const at = new Date(date);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString().replace(/[-:]|\.\d+/g, '');
};

const fromQuery = (target: Target): Claim => {
  const malformed = (message: string): S3Error => new S3Error('AuthorizationQueryParametersError', message);
  const value = (name: string): string => {
    const found = target.param(name);
    if (!found) throw malformed(`Query-string authentication version 4 requires the ${name} parameter.`);
    return found;
  };
  if (value('X-Amz-Algorithm') !== algorithm) throw malformed(`X-Amz-Algorithm only supports "${algorithm}"`);
  const credential = parseCredential(value('X-Amz-Credential'));
  if (!credential) throw malformed('Error parsing the X-Amz-Credential parameter.');
  const time = value('X-Amz-Date');
  const at = parseTime(time);
  if (at === undefined) throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  const expires = /^\d{1,9}$/.test(value('X-Amz-Expires')) ? Number(value('X-Amz-Expires')) : Number.NaN;
  if (!(expires >= 1 && expires <= maxExpiry))
    throw malformed(`X-Amz-Expires must be between 1 and ${maxExpiry} seconds`);
  if (at - Date.now() > maxSkew) throw new S3Error('AccessDenied', 'Request is not valid yet');
  if (Date.now() > at + expires * 1000) throw new S3Error('AccessDenied', 'Request has expired');
  return {
    ...credential,
    signature: value('X-Amz-Signature'),
    signedHeaders: parseSignedHeaders(value('X-Amz-SignedHeaders')),
    time,
    payload: target.header('x-amz-content-sha256') ?? target.param('X-Amz-Content-Sha256') ?? unsignedPayload,
  };
};

/**
 * Finds out who sent a request.
 *
 * @throws S3Error AccessDenied for anonymous, expired and partly signed requests; InvalidAccessKeyId, SignatureDoesNotMatch,
 *   RequestTimeTooSkewed; and what says that the signature cannot be read
 */
export const authenticate = async (target: Target, access: Access): Promise<Authenticated> => {
  const authorization = target.header('authorization');
  const inQuery = target.query.some(([name]) => name.startsWith('X-Amz-'));
  if (authorization === undefined && !inQuery) {
    throw target.param('AWSAccessKeyId') === undefined ? new S3Error('AccessDenied') : oldSignature();
  }
  if (authorization !== undefined && inQuery) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed');
  }
  const claim = authorization === undefined ? fromQuery(target) : fromHeader(target, authorization);
  const { scope, signedHeaders, time, payload } = claim;
  if (scope.service !== 's3' || !time.startsWith(scope.date)) {
    throw new S3Error(
      'AuthorizationHeaderMalformed',
      'The credential must be of the service "s3" and of the date of the request.',
    );
  }
  const unsigned = target.headerNames.find((name) => name.startsWith('x-amz-') && !signedHeaders.includes(name));
  if (unsigned !== undefined || !signedHeaders.includes('host')) {
    throw new S3Error(
      'AccessDenied',
      `There were headers present in the request which were not signed: ${unsigned ?? 'host'}`,
    );
  }
  const grant = await access(claim.accessKey);
  if (!grant) throw new S3Error('InvalidAccessKeyId');
  const key = signingKey(grant.secretKey, scope);
  const expected = sign(key, textToSign(target, signedHeaders, time, scope, payload));
  if (!isSame(expected, claim.signature)) throw new S3Error('SignatureDoesNotMatch');
  return {
    grant,
    payload,
    chunks: {
      seed: expected,
      sign: (kind, lines) => sign(key, [`${algorithm}-${kind}`, time, scopeText(scope), ...lines].join('\n')),
    },
  };
};

/** AWS Signature Version 4, as the S3 API reference describes it ("Authenticating requests"). */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { encodeUri, type Target } from './target.ts';

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** What a signature holds for: `20260101/us-east-1/s3/aws4_request`. */
export interface Scope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export const scopeText = ({ date, region, service }: Scope): string => `${date}/${region}/${service}/aws4_request`;

export const signingKey = (secretKey: string, { date, region, service }: Scope): Buffer =>
  hmac(hmac(hmac(hmac(`AWS4${secretKey}`, date), region), service), 'aws4_request');

/** Signs a text. In hex. */
export const sign = (key: Buffer, text: string): string => hmac(key, text).toString('hex');

/** Compares two signatures without telling by the time where they differ. */
export const isSame = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

const canonicalQuery = ({ query }: Target): string =>
  query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encodeUri(name), encodeUri(value)] as const)
    .sort(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');

/** Segment by segment, so that an encoded slash stays one. */
const canonicalPath = ({ rawPath }: Target): string =>
  rawPath
    .split('/')
    .map((segment) => encodeUri(decodeURIComponent(segment)))
    .join('/');

/**
 * The text that is signed for a request.
 *
 * @param time - as the client says it: `20260101T000000Z`
 * @param payload - the hash of the body, or the word that stands for it
 */
export const textToSign = (
  target: Target,
  signedHeaders: readonly string[],
  time: string,
  scope: Scope,
  payload: string,
): string => {
  const headers = signedHeaders.map((name) => `${name}:${(target.header(name) ?? '').trim().replace(/\s+/g, ' ')}\n`);
  const canonical = [
    target.method,
    canonicalPath(target),
    canonicalQuery(target),
    headers.join(''),
    signedHeaders.join(';'),
    payload,
  ].join('\n');
  return ['AWS4-HMAC-SHA256', time, scopeText(scope), sha256(canonical)].join('\n');
};

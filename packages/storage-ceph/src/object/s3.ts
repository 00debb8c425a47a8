/** The one thing that has to be asked of the gateway by S3 itself: making a bucket. Signed by AWS's version 4. */
import { createHash, createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { rootCertificates } from 'node:tls';
import { type BucketCredentials, conflict, messageOf, unavailable } from '@lxd-ts/driver-kit';
import { QUICK } from '../cluster.ts';

export interface Endpoint {
  readonly url: URL;
  /** A file with certificates that are trusted, and with the client's own and its key if that is asked for. */
  readonly certificateFile?: string | undefined;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const REGION = 'us-east-1';
const EMPTY = hash('');

/**
 * The headers that sign a request without body, query and headers of its own (AWS, "Signature Version 4").
 *
 * @param at - the time of the request
 */
export const signedHeaders = (
  method: string,
  url: URL,
  { accessKey, secretKey }: BucketCredentials,
  at: Date,
): Record<string, string> => {
  const time = at.toISOString().replace(/[-:]|\.[0-9]{3}/g, '');
  const day = time.slice(0, 8);
  const names = 'host;x-amz-content-sha256;x-amz-date';
  const canonical = [
    method,
    url.pathname,
    '',
    `host:${url.host}`,
    `x-amz-content-sha256:${EMPTY}`,
    `x-amz-date:${time}`,
    '',
    names,
    EMPTY,
  ].join('\n');
  const scope = `${day}/${REGION}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n');
  const key = [day, REGION, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretKey}`);
  const signature = hmac(key, text).toString('hex');
  return {
    host: url.host,
    'x-amz-content-sha256': EMPTY,
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
};

/** What a TLS connection to the gateway needs. */
const tlsOptions = async (
  file: string | undefined,
): Promise<RequestOptions & { ca?: string[]; cert?: string; key?: string }> => {
  if (!file) return {};
  const pem = await readFile(file, 'utf8');
  const own = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem) ? { cert: pem, key: pem } : {};
  return { ca: [...rootCertificates, pem], ...own };
};

/** Asks the gateway. @returns status and body @throws LxdError unavailable when it does not answer */
export const askGateway = async (
  { url: endpoint, certificateFile }: Endpoint,
  method: string,
  path: string,
  credentials?: BucketCredentials,
): Promise<{ status: number; body: string }> => {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  try {
    const tls = await tlsOptions(certificateFile);
    const headers = credentials ? signedHeaders(method, url, credentials, new Date()) : {};
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    return await new Promise((resolve, reject) => {
      const sent = send(url, { ...tls, method, headers, signal: AbortSignal.timeout(QUICK) }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.on('error', reject);
      });
      sent.on('error', reject);
      sent.end();
    });
  } catch (error) {
    throw unavailable(`The radosgw at "${endpoint.href}" cannot be reached: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Makes a bucket that belongs to the one whose credentials are given.
 *
 * @throws LxdError conflict when it exists, unavailable
 */
export const makeBucket = async (endpoint: Endpoint, name: string, credentials: BucketCredentials): Promise<void> => {
  const { status, body } = await askGateway(endpoint, 'PUT', `/${name}`, credentials);
  if (status === 200) return;
  const code = /<Code>([^<]*)<\/Code>/.exec(body)?.[1] ?? '';
  if (status === 409) throw conflict(`There is a bucket "${name}" already`);
  throw new Error(`The radosgw refused to make the bucket "${name}": ${status} ${code}`);
};

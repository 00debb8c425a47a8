import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askGateway, signedHeaders } from './s3.ts';

describe('requests to the gateway', () => {
  it('carry a signature of version 4', () => {
    // Whether the signature is right is seen by the gateway's answer, in buckets.lab.test.ts.
    const headers = signedHeaders(
      'PUT',
      new URL('http://127.0.0.1:7480/bucket'),
      { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
      new Date('2013-05-24T00:00:00.000Z'),
    );
    expect(headers['x-amz-date']).toBe('20130524T000000Z');
    expect(headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/20130524\/us-east-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
    );
  });

  const server = createServer((request, response) => response.writeHead(201).end(`${request.method} ${request.url}`));
  let port = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server's address is no text.
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => server.close());

  it('go below the path of the endpoint', async () => {
    const url = new URL(`http://127.0.0.1:${port}/radosgw/`);
    expect(await askGateway({ url }, 'PUT', '/b1')).toEqual({ status: 201, body: 'PUT /radosgw/b1' });
  });

  it('say that nobody is there', async () => {
    await expect(askGateway({ url: new URL('http://127.0.0.1:1') }, 'GET', '/')).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });
});

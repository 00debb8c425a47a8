import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { secret, serveTest, type TestServer } from '../test/serve.ts';
import { sha256, sign, signingKey, textToSign } from './signature.ts';
import { targetOf } from './target.ts';

let server: TestServer;

beforeAll(async () => {
  server = await serveTest();
});
afterAll(async () => {
  expect(server.failures).toEqual([]);
  await server[Symbol.asyncDispose]();
});

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** What is signed as the hash of the body. */
  readonly payload?: string;
}

/** Signs a request as a client does, whatever is in it. */
const signed = ({ method, url, headers = {}, body = '', payload = sha256(body) }: Asked): Record<string, string> => {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = { date: now.slice(0, 8), region: 'us-east-1', service: 's3' };
  const all: Record<string, string> = {
    ...headers,
    host: `127.0.0.1:${server.port}`,
    'x-amz-content-sha256': payload,
    'x-amz-date': now,
  };
  const names = Object.keys(all).sort();
  const headersDistinct = Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]]));
  // Only what signing looks at.
  const target = targetOf({ method, url, headersDistinct } as unknown as IncomingMessage);
  const signature = sign(signingKey(secret, scope), textToSign(target, names, now, scope, payload));
  const credential = `admin/${scope.date}/us-east-1/s3/aws4_request`;
  all['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return all;
};

const ask = async (asked: Asked, headers: Record<string, string> = signed(asked)) => {
  const outgoing = request({
    port: server.port,
    host: '127.0.0.1',
    // A connection that was left in the middle of a body is not one for another request.
    agent: false,
    method: asked.method,
    path: asked.url,
    headers: { 'content-length': String(Buffer.byteLength(asked.body ?? '')), ...headers },
  });
  outgoing.on('error', () => undefined);
  outgoing.end(asked.body);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer), headers: answer.headers };
};

const codeOf = (body: string): string => /<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? '';

const word = fc.constantFrom(
  ...[
    '',
    '/',
    '..',
    '%00',
    '%2e%2e',
    '%',
    '%zz',
    '+',
    'a',
    'data',
    'other',
    '\u{1f600}',
    '<',
    '"',
    '999999999999',
    '-1',
  ],
);
const parameter = fc.constantFrom(
  ...['prefix', 'delimiter', 'marker', 'max-keys', 'list-type', 'continuation-token', 'start-after', 'encoding-type'],
  ...['uploads', 'uploadId', 'partNumber', 'delete', 'location', 'acl', 'versionId', 'key-marker', 'max-uploads'],
  ...['max-parts', 'part-number-marker', 'response-content-type', 'X-Amz-Foo', '__proto__', 'constructor'],
);
const header = fc.constantFrom(
  ...['range', 'if-match', 'if-none-match', 'if-modified-since', 'x-amz-copy-source', 'x-amz-copy-source-range'],
  ...['x-amz-metadata-directive', 'content-md5', 'x-amz-checksum-crc32', 'x-amz-checksum-none', 'x-amz-trailer'],
  ...[
    'x-amz-acl',
    'x-amz-storage-class',
    'x-amz-meta-',
    'x-amz-meta-a',
    'content-encoding',
    'x-amz-decoded-content-length',
  ],
);
const value = fc.oneof(
  fc.constantFrom(
    '',
    '*',
    '"x"',
    'bytes=0-',
    'bytes=-0',
    'bytes=9-1',
    'data/a',
    '/data/',
    'other/a',
    'REPLACE',
    'private',
  ),
  fc.string({ unit: fc.constantFrom(...'aZ09 =/+,;:"<>%-'), maxLength: 40 }),
);
const escapeQuery = (part: string): string => encodeURIComponent(part).replaceAll('%25', '%');
const body = fc.oneof(
  fc.constantFrom(
    '',
    '<Delete><Object><Key>a</Key></Object></Delete>',
    '<Delete><Object><Key>../../a</Key></Object><Object></Object></Delete>',
    '<Delete><Object><Key>&#xD800;</Key></Object></Delete>',
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>',
    '<CompleteMultipartUpload><Part><PartNumber>1e9</PartNumber></Part></CompleteMultipartUpload>',
    '<!DOCTYPE a [<!ENTITY b "c">]><Delete>&b;</Delete>',
    '<constructor><__proto__>x</__proto__></constructor>',
    '5\r\nhello\r\n0\r\n\r\n',
    '5;chunk-signature=00\r\nhello\r\n0;\r\n\r\n',
    'ffffffffffff\r\nx',
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
);
const asked: fc.Arbitrary<Asked> = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'),
    segments: fc.array(word, { maxLength: 5 }),
    query: fc.array(fc.tuple(parameter, word), { maxLength: 4 }),
    headers: fc.dictionary(header, value, { maxKeys: 3 }),
    body,
    payload: fc.option(
      fc.constantFrom(
        'UNSIGNED-PAYLOAD',
        'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
        'nonsense',
      ),
      { nil: undefined },
    ),
  })
  .map(({ segments, query, payload, ...rest }) => ({
    ...rest,
    ...(payload === undefined ? {} : { payload }),
    url: `/data/${segments.map(encodeURI).join('/').replaceAll('%25', '%')}?${query
      .map(([name, text]) => `${name}=${escapeQuery(text)}`)
      .join('&')}`,
  }));

it('no request, signed as it should be, is answered with a failure of the server', async () => {
  await fc.assert(
    fc.asyncProperty(asked, async (one) => {
      let headers: Record<string, string>;
      try {
        headers = signed(one);
      } catch {
        // A URL that cannot be read cannot be signed either.
        headers = { host: 'x' };
      }
      const { status } = await ask(one, headers);
      expect(status === 501 || status < 500, `${status}`).toBe(true);
    }),
    { numRuns: 1500 },
  );
  expect(server.failures).toEqual([]);
});

it('nobody without a valid signature gets anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(asked, fc.string({ unit: 'binary-ascii', maxLength: 60 }), async (one, garbage) => {
      const authorization = `AWS4-HMAC-SHA256 ${garbage.replace(/[^\x20-\x7e]/g, '')}`;
      const { status } = await ask(one, { host: 'x', authorization, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
      expect([400, 403]).toContain(status);
    }),
    { numRuns: 300 },
  );
});

it('a signature holds for one request at one time', async () => {
  const put: Asked = { method: 'PUT', url: '/data/once', body: 'text' };
  const headers = signed(put);
  expect((await ask({ ...put, body: 'teXt' }, headers)).body).toContain('XAmzContentSHA256Mismatch');
  expect(codeOf((await ask({ ...put, url: '/data/twice' }, headers)).body)).toBe('SignatureDoesNotMatch');
  expect(codeOf((await ask({ ...put, method: 'DELETE' }, headers)).body)).toBe('SignatureDoesNotMatch');
  expect(codeOf((await ask(put, { ...headers, 'x-amz-meta-more': 'x' })).body)).toBe('AccessDenied');
  expect(codeOf((await ask(put, { ...headers, 'x-amz-date': '20200101T000000Z' })).body)).toBe('RequestTimeTooSkewed');
  expect((await ask(put, headers)).status).toBe(200);
});

it('data that is not what was announced leaves nothing', async () => {
  const body = 'twelve bytes';
  for (const [code, one] of [
    ['BadDigest', { body, headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } }],
    ['BadDigest', { body, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }],
    ['InvalidDigest', { body, headers: { 'content-md5': 'x' } }],
    ['InvalidRequest', { body, headers: { 'x-amz-checksum-md4': 'AAAAAA==' } }],
    ['EntityTooLarge', { headers: { 'content-length': String(6 * 1024 ** 3) }, payload: 'UNSIGNED-PAYLOAD' }],
    ['MetadataTooLarge', { body, headers: { 'x-amz-meta-a': 'x'.repeat(2048) } }],
    ['KeyTooLongError', { body, url: `/data/${'k'.repeat(1025)}` }],
    ['NotImplemented', { body, headers: { 'x-amz-server-side-encryption': 'AES256' } }],
    ['AccessControlListNotSupported', { body, headers: { 'x-amz-acl': 'public-read' } }],
    ['InvalidStorageClass', { body, headers: { 'x-amz-storage-class': 'GLACIER' } }],
    [
      'IncompleteBody',
      {
        body: '5\r\nhello\r\n0\r\n\r\n',
        payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: { 'x-amz-decoded-content-length': '6' },
      },
    ],
    [
      'SignatureDoesNotMatch',
      {
        body: `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`,
        payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        headers: { 'x-amz-decoded-content-length': '5' },
      },
    ],
  ] as const) {
    const asked: Asked = { method: 'PUT', url: '/data/bad', ...one };
    expect(codeOf((await ask(asked)).body), code).toBe(code);
    expect((await ask({ method: 'GET', url: '/data/bad' })).status).toBe(404);
  }
});

it('signed chunks with a signed trailer are taken', async () => {
  const payload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
  const headers = { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-crc32' };
  const all = signed({ method: 'PUT', url: '/data/chunks', headers, payload });
  const date = all['x-amz-date'] ?? '';
  const scope = { date: date.slice(0, 8), region: 'us-east-1', service: 's3' };
  const key = signingKey(secret, scope);
  let last = /Signature=(\w+)/.exec(all['authorization'] ?? '')?.[1] ?? '';
  const next = (kind: string, ...lines: string[]): string => {
    const text = [`AWS4-HMAC-SHA256-${kind}`, date, `${scope.date}/us-east-1/s3/aws4_request`, last, ...lines].join(
      '\n',
    );
    last = sign(key, text);
    return last;
  };
  const trailer = 'x-amz-checksum-crc32:NhCmhg==';
  const body = [
    `5;chunk-signature=${next('PAYLOAD', sha256(''), sha256('hello'))}\r\nhello\r\n`,
    `0;chunk-signature=${next('PAYLOAD', sha256(''), sha256(''))}\r\n`,
    `${trailer}\r\nx-amz-trailer-signature:${next('TRAILER', sha256(`${trailer}\n`))}\r\n\r\n`,
  ].join('');
  expect(await ask({ method: 'PUT', url: '/data/chunks', body }, all)).toMatchObject({
    status: 200,
    headers: { 'x-amz-checksum-crc32': 'NhCmhg==' },
  });
  expect((await ask({ method: 'GET', url: '/data/chunks' })).body).toBe('hello');
  const changed = body.replace('hello', 'hallo');
  expect(codeOf((await ask({ method: 'PUT', url: '/data/chunks', body: changed }, all)).body)).toBe(
    'SignatureDoesNotMatch',
  );
});

it('documents may write characters as references, by name and by number', async () => {
  for (const reference of ['&quot;', '&#34;', '&#x22;', '"', '<![CDATA["]]>']) {
    expect((await ask({ method: 'PUT', url: '/data/q%22' })).status).toBe(200);
    const body = `<Delete><Object><Key>q${reference}</Key></Object></Delete>`;
    expect((await ask({ method: 'POST', url: '/data?delete=', body })).body).toContain('<Key>q&quot;</Key>');
    expect((await ask({ method: 'GET', url: '/data/q%22' })).status, reference).toBe(404);
  }
});

it('documents are limited before they are read', async () => {
  const large = `<Delete>${'<Object><Key>a</Key></Object>'.repeat(100_000)}</Delete>`;
  expect(codeOf((await ask({ method: 'POST', url: '/data?delete=', body: large })).body)).toBe(
    'MaxMessageLengthExceeded',
  );
  const many = `<Delete>${'<Object><Key>a</Key></Object>'.repeat(1001)}</Delete>`;
  expect(codeOf((await ask({ method: 'POST', url: '/data?delete=', body: many })).body)).toBe('MalformedXML');
});

it('a client that waits to be asked for its data is not asked when it is refused', async () => {
  const refused = signed({
    method: 'PUT',
    url: '/none/x',
    payload: 'UNSIGNED-PAYLOAD',
    headers: { expect: '100-continue', 'content-length': '5' },
  });
  const taken = signed({
    method: 'PUT',
    url: '/data/x',
    payload: 'UNSIGNED-PAYLOAD',
    headers: { expect: '100-continue', 'content-length': '5' },
  });
  for (const [url, headers, first] of [
    ['/none/x', refused, 'HTTP/1.1 403'],
    ['/data/x', taken, 'HTTP/1.1 100'],
  ] as const) {
    const socket = connect(server.port, '127.0.0.1');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`PUT ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain(first);
    socket.destroy();
  }
});

it('a client that goes away in the middle leaves nothing', async () => {
  const headers = signed({
    method: 'PUT',
    url: '/data/half',
    payload: 'UNSIGNED-PAYLOAD',
    headers: { 'content-length': '100000' },
  });
  const socket = connect(server.port, '127.0.0.1');
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`PUT /data/half HTTP/1.1\r\n${lines.join('')}\r\n${'x'.repeat(50_000)}`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await ask({ method: 'GET', url: '/data/half' })).status).toBe(404);
  expect(await readdir(join(server.directory, 'tmp'))).toEqual([]);
});

it('the bucket may stand in the name of the host', async () => {
  const host = `data.localhost:${server.port}`;
  const asked = { method: 'GET', url: '/?location=' };
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = { date: now.slice(0, 8), region: 'eu', service: 's3' };
  const target = targetOf({
    ...asked,
    headersDistinct: { host: [host], 'x-amz-date': [now], 'x-amz-content-sha256': [sha256('')] },
  } as unknown as IncomingMessage);
  const names = ['host', 'x-amz-content-sha256', 'x-amz-date'];
  const signature = sign(signingKey(secret, scope), textToSign(target, names, now, scope, sha256('')));
  const answer = await ask(asked, {
    host,
    'x-amz-date': now,
    'x-amz-content-sha256': sha256(''),
    authorization: `AWS4-HMAC-SHA256 Credential=admin/${scope.date}/eu/s3/aws4_request,SignedHeaders=${names.join(';')},Signature=${signature}`,
  });
  expect(answer).toMatchObject({ status: 200, body: expect.stringContaining('LocationConstraint') });
});

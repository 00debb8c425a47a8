import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { makeScratch, type Scratch } from '@lxd-ts/tooling/scratch';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { secret } from '../test/serve.ts';
import { openBucketFiles } from './bucket-files.ts';

let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
});
afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
});

const child = new URL('../test/child.ts', import.meta.url).pathname;
const md5 = (data: Uint8Array): string => createHash('md5').update(data).digest('hex');
const Bucket = 'data';

interface Running {
  readonly client: S3Client;
  readonly kill: () => Promise<void>;
}

const start = async (directory: string): Promise<Running> => {
  const server = spawn(process.execPath, ['--conditions=lxd-ts-source', child, directory, secret], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(server.stdout, 'data')) as [Buffer];
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${String(port).trim()}`,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'admin', secretAccessKey: secret },
  });
  return {
    client,
    async kill() {
      const closed = once(server, 'close');
      server.kill('SIGKILL');
      await closed;
      client.destroy();
    },
  };
};

/** What a key may hold: what was acknowledged last, or what was asked for since. `undefined`: nothing. */
type Allowed = Map<string, Set<string | undefined>>;

/** Puts, replaces, uploads in parts and deletes without end, until the server is gone. */
const busy = async (client: S3Client, allowed: Allowed, key: string): Promise<void> => {
  for (;;) {
    const deleting = randomInt(5) === 0;
    const small = randomBytes(randomInt(1, 100_000));
    const data = [randomBytes(5 * 1024 ** 2), small];
    const inParts = !deleting && randomInt(3) === 0;
    const wanted = deleting ? undefined : inParts ? md5(Buffer.concat(data)) : md5(small);
    allowed.set(key, new Set([...(allowed.get(key) ?? [undefined]), wanted]));
    if (deleting) await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    else if (!inParts) await client.send(new PutObjectCommand({ Bucket, Key: key, Body: small }));
    else {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key }));
      const Parts = [];
      for (const [at, Body] of data.entries()) {
        const PartNumber = at + 1;
        const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key: key, UploadId, PartNumber, Body }));
        Parts.push({ PartNumber, ETag });
      }
      await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: key, UploadId, MultipartUpload: { Parts } }));
    }
    allowed.set(key, new Set([wanted]));
  }
};

it('a server that is killed loses nothing that it acknowledged, and shows nothing that is half', async () => {
  const directory = join(scratch.folder, 'data');
  const allowed: Allowed = new Map();
  const keys = ['a', 'a/b', 'a/b/c', 'd/e', 'f'];
  for (let round = 0; round < 5; round++) {
    const { client, kill } = await start(directory);
    const work = Promise.allSettled(keys.map((key) => busy(client, allowed, key)));
    await new Promise((resolve) => setTimeout(resolve, randomInt(200, 900)));
    await kill();
    await work;

    await using files = await openBucketFiles(directory);
    await files.tidied;
    expect(await readdir(join(directory, 'tmp'))).toEqual([]);
    const assembled = new Set<string | undefined>();
    for (const key of keys) {
      let found: string | undefined;
      const record = await files.objects.record(key);
      if (record) {
        await using object = await files.objects.open(key);
        const chunks: Buffer[] = [];
        for await (const chunk of object.read(0, record.size)) chunks.push(chunk);
        const data = Buffer.concat(chunks);
        expect(data.length).toBe(record.size);
        found = md5(data);
        assembled.add(record.assembled);
      }
      expect([...(allowed.get(key) ?? [undefined])], `${key} in round ${round}`).toContain(found);
      allowed.set(key, new Set([found]));
    }
    // Data without an object would take room for ever.
    for (const id of await readdir(join(directory, 'assembled'))) expect(assembled).toContain(id);
  }
});

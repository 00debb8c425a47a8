import { join } from 'node:path';
import {
  type Bucket,
  type BucketKey,
  type BucketPool,
  generateCredentials,
  type StoragePool,
} from '@lxd-ts/driver-kit';
import { type TestContext, testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { cephobject } from '@lxd-ts/storage-ceph';
import { gateway, startCluster, startGateway } from '@lxd-ts/tooling/lab/ceph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MiB = 1024 ** 2;

describe('buckets in a radosgw', () => {
  let context: TestContext;
  let pool: StoragePool;
  let spec: Parameters<typeof cephobject.open>[0];

  const buckets = (): BucketPool => {
    if (!pool.buckets) throw new Error('A cephobject pool has buckets');
    return pool.buckets;
  };
  const bucket = (name: string, config: Bucket['config'] = {}): Bucket => ({ project: 'default', name, config });
  const key = (name: string, role: BucketKey['role']): BucketKey => ({ name, role, ...generateCredentials() });

  /** What applications do, by a client of their own kind. */
  const s3 = (credentials: BucketKey, ...args: readonly string[]): Promise<{ stdout: string }> =>
    run([
      's3cmd',
      '--config=/dev/null',
      `--access_key=${credentials.accessKey}`,
      `--secret_key=${credentials.secretKey}`,
      `--host=${new URL(gateway).host}`,
      '--host-bucket=',
      '--no-ssl',
      ...args,
    ]);

  beforeAll(async () => {
    await startCluster();
    await startGateway();
    context = await testContext('lxd-ts-cephobject');
    const asked = {
      name: 'objects',
      path: join(context.directory, 'storage-pools/objects'),
      disks: join(context.directory, 'disks'),
      config: { 'cephobject.radosgw.endpoint': gateway, 'cephobject.bucket.name_prefix': 'lxd-' },
    };
    spec = { ...asked, config: await cephobject.create(asked) };
    pool = await cephobject.open(spec);
  });
  afterAll(async () => {
    await pool?.[Symbol.asyncDispose]();
    await context?.[Symbol.asyncDispose]();
  });

  const file = async (size: number): Promise<string> => {
    const path = join(context.directory, `file-${size}`);
    await run(['dd', 'if=/dev/urandom', `of=${path}`, 'bs=64K', `count=${size / 65_536}`, 'status=none']);
    return path;
  };

  it('[05.228 05.229] the effective configuration names cluster, user, and whether lxd-admin is new', () => {
    expect(spec.config).toMatchObject({
      'cephobject.cluster_name': 'ceph',
      'cephobject.user.name': 'admin',
      'volatile.pool.pristine': 'true',
    });
  });

  it('[05.225] an endpoint where nobody answers is refused', async () => {
    const config = { 'cephobject.radosgw.endpoint': 'http://127.0.0.1:1' };
    await expect(cephobject.create({ ...spec, config })).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(cephobject.create({ ...spec, config: {} })).rejects.toThrow('cephobject.radosgw.endpoint');
  });

  it('[05.224 05.269] volumes are refused', async () => {
    const volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: {} } as const;
    await expect(pool.createVolume(volume)).rejects.toMatchObject({ kind: 'bad-request' });
    expect(await pool.listVolumes()).toEqual([]);
    expect((await pool.resources()).space.total).toBeGreaterThan(0);
  });

  it('[05.148 05.153 05.157 05.227] an admin key does all, a read-only one reads, and both end with the bucket', async () => {
    const one = bucket('b1');
    expect(await buckets().has(one)).toBe(false);
    await buckets().create(one);
    expect(await buckets().has(one)).toBe(true);
    expect(buckets().url(one)).toBe(`${gateway}/lxd-b1`);
    await expect(buckets().create(one)).rejects.toMatchObject({ kind: 'conflict' });
    const [admin, reader] = [key('a', 'admin'), key('r', 'read-only')];
    await buckets().setKey(one, admin);
    await buckets().setKey(one, reader);
    // It may be repeated.
    await buckets().setKey(one, reader);
    const path = await file(65_536);
    await s3(admin, 'put', path, 's3://lxd-b1/object');
    expect((await s3(reader, 'ls', 's3://lxd-b1')).stdout).toContain('s3://lxd-b1/object');
    await s3(reader, 'get', '--force', 's3://lxd-b1/object', `${path}.back`);
    await run(['cmp', path, `${path}.back`]);
    await expect(s3(reader, 'put', path, 's3://lxd-b1/other')).rejects.toThrow(/403|AccessDenied/);
    await expect(s3(reader, 'del', 's3://lxd-b1/object')).rejects.toThrow(/403|AccessDenied/);
    await buckets().deleteKey(one, reader);
    await buckets().deleteKey(one, reader);
    await expect(s3(reader, 'ls', 's3://lxd-b1')).rejects.toThrow(/403|InvalidAccessKeyId/);
    await buckets().delete(one);
    await buckets().delete(one);
    expect(await buckets().has(one)).toBe(false);
    await expect(s3(admin, 'ls', 's3://lxd-b1')).rejects.toThrow(/40[34]/);
  });

  it('[05.155] a key is changed: its role, its secret, its access key; one of another bucket is not taken', async () => {
    const [one, other] = [bucket('b2'), bucket('b3')];
    await buckets().create(one);
    await buckets().create(other);
    const first = key('k', 'admin');
    await buckets().setKey(one, first);
    await expect(buckets().setKey(other, first)).rejects.toMatchObject({ kind: 'conflict' });
    const path = await file(65_536);
    const reading: BucketKey = { ...first, role: 'read-only' };
    await buckets().setKey(one, reading, first);
    await expect(s3(first, 'put', path, 's3://lxd-b2/o')).rejects.toThrow(/403|AccessDenied/);
    const secret: BucketKey = { ...first, secretKey: generateCredentials().secretKey };
    await buckets().setKey(one, secret, reading);
    await s3(secret, 'put', path, 's3://lxd-b2/o');
    await expect(s3(first, 'ls', 's3://lxd-b2')).rejects.toThrow(/403|SignatureDoesNotMatch/);
    const next = key('k', 'admin');
    await buckets().setKey(one, next, secret);
    await s3(next, 'ls', 's3://lxd-b2');
    await expect(s3(secret, 'ls', 's3://lxd-b2')).rejects.toThrow(/403|InvalidAccessKeyId/);
    await buckets().delete(one);
    await buckets().delete(other);
  });

  it('[05.149 05.270] a quota holds, grows, does not shrink below what the bucket holds, and is lifted', async () => {
    const one = bucket('b4', { size: '1MiB' });
    await buckets().create(one);
    const admin = key('a', 'admin');
    await buckets().setKey(one, admin);
    await s3(admin, 'put', await file(MiB / 2), 's3://lxd-b4/half');
    const large = await file(2 * MiB);
    await expect(s3(admin, 'put', '--disable-multipart', large, 's3://lxd-b4/large')).rejects.toThrow(
      /QuotaExceeded|403/,
    );
    await expect(buckets().resize(one, 65_536)).rejects.toMatchObject({ kind: 'bad-request' });
    await buckets().resize(one, undefined);
    await s3(admin, 'put', '--disable-multipart', large, 's3://lxd-b4/large');
    await buckets().delete(one);
  });

  it('[05.229] deleting the pool removes the user that it made, and the directory', async () => {
    await pool.delete();
    await expect(run(['radosgw-admin', 'user', 'info', '--uid=lxd-admin'])).rejects.toThrow();
    expect(await context.leftovers()).toEqual([]);
  });
});

import { defineStorageDriver, isAbsolutePath, type StorageDriver } from '@lxd-ts/driver-kit';
import { isPlainName } from '../cluster.ts';
import { probeCeph } from '../probe.ts';
import { createObjectPool, openObjectPool } from './pool.ts';

const isHttpUrl = (value: string): void => {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.username !== '') {
    throw new Error('must be a URL such as https://radosgw.example.com:8080');
  }
};

const isNamePrefix = (value: string): void => {
  if (!/^[a-z0-9][a-z0-9.-]{0,59}$/.test(value)) {
    throw new Error(
      'must be at most 60 lower-case letters, digits, dots and hyphens, beginning with a letter or digit',
    );
  }
};

/** The `cephobject` driver: buckets in Ceph's S3 gateway, radosgw. */
export const cephobject: StorageDriver = defineStorageDriver({
  name: 'cephobject',
  features: {
    optimizedImages: false,
    optimizedSnapshots: false,
    optimizedTransfer: false,
    copyOnWrite: false,
    blockBased: false,
    remote: true,
    restoreAnySnapshot: false,
    quotas: 'yes',
    nesting: false,
    volumeTypes: [],
    customContent: [],
    buckets: true,
    loopFiles: false,
    offeredByInit: false,
  },
  poolConfig: [
    {
      key: 'cephobject.bucket.name_prefix',
      type: 'string',
      description: 'Prefix for bucket names in Ceph',
      check: isNamePrefix,
    },
    {
      key: 'cephobject.cluster_name',
      type: 'string',
      default: 'ceph',
      description: 'Ceph cluster',
      check: isPlainName,
    },
    {
      key: 'cephobject.radosgw.endpoint',
      type: 'string',
      condition: 'required',
      description: 'URL of the radosgw gateway',
      check: isHttpUrl,
    },
    {
      key: 'cephobject.radosgw.endpoint_cert_file',
      type: 'string',
      description: 'File with the TLS client certificate for the endpoint',
      check: isAbsolutePath,
    },
    {
      key: 'cephobject.user.name',
      type: 'string',
      default: 'admin',
      description: 'Ceph user',
      check: isPlainName,
    },
    {
      key: 'volatile.pool.pristine',
      type: 'string',
      internal: true,
      default: 'true',
      description: 'Whether the radosgw user lxd-admin was made with the pool',
    },
  ],
  volumeConfig: [],
  bucketConfig: [{ key: 'size', type: 'size', description: 'Quota of the bucket' }],

  probe: async () => ({ version: await probeCeph('cephobject', 'radosgw-admin') }),

  create: createObjectPool,
  open: openObjectPool,
});

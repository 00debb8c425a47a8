import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { cephfs } from '@lxd-ts/storage-ceph';
import { bundled } from '@lxd-ts/tooling/bundle';
import { makeCephfs, startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beforeAll } from 'vitest';

beforeAll(async () => {
  await startCluster();
  await makeCephfs();
});

storageConformance({
  driver: cephfs,
  importFrom: bundled(new URL('../index.ts', import.meta.url), 'cephfs'),
  pools: [
    { title: '[05.25] in a directory of a file system', config: async () => ({ source: 'cephfs/conformance/pool' }) },
  ],
});

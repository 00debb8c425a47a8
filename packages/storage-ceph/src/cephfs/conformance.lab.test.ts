import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { cephfs } from '@lxd-ts/storage-ceph';
import { makeCephfs, startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beforeAll } from 'vitest';

beforeAll(async () => {
  await startCluster();
  await makeCephfs();
});

storageConformance({
  driver: cephfs,
  importFrom: {
    specifier: '@lxd-ts/storage-ceph',
    name: 'cephfs',
    directory: import.meta.dirname,
    nodeOptions: ['--conditions=lxd-ts-source'],
  },
  pools: [
    { title: '[05.25] in a directory of a file system', config: async () => ({ source: 'cephfs/conformance/pool' }) },
  ],
});

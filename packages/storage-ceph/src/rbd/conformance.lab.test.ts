import { pathToFileURL } from 'node:url';
import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beforeAll } from 'vitest';
import { ceph } from '../testing/small-volumes.ts';

beforeAll(startCluster);

storageConformance({
  driver: ceph,
  importFrom: {
    specifier: pathToFileURL(new URL('../testing/small-volumes.ts', import.meta.url).pathname).href,
    name: 'ceph',
    directory: import.meta.dirname,
    nodeOptions: ['--conditions=lxd-ts-source'],
  },
  pools: [
    {
      title: '[05.25] in an OSD pool that is made for it',
      config: async () => ({ 'ceph.osd.pg_num': '8' }),
    },
  ],
});

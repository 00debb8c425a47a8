import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { bundled } from '@lxd-ts/tooling/bundle';
import { startCluster } from '@lxd-ts/tooling/lab/ceph';
import { beforeAll } from 'vitest';
import { ceph } from '../testing/small-volumes.ts';

beforeAll(startCluster);

storageConformance({
  driver: ceph,
  importFrom: bundled(new URL('../testing/small-volumes.ts', import.meta.url), 'ceph'),
  // It takes nothing down: images stay mapped for whoever opens the pool next.
  abandon: (pool) => pool[Symbol.asyncDispose](),
  pools: [
    {
      title: '[05.25] in an OSD pool that is made for it',
      config: async () => ({ 'ceph.osd.pg_num': '8' }),
    },
  ],
});

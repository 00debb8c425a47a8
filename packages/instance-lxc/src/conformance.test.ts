import { instanceConformance } from '@lxd-ts/driver-kit/testing';
import { contiguousIdMap } from '@lxd-ts/host';
import { lxc } from './index.ts';

const idmap = contiguousIdMap(1_000_000, 65_536);

instanceConformance({
  driver: lxc,
  forms: [{ title: 'unprivileged', idmap }, { title: 'privileged' }],
  module: { url: new URL('./index.ts', import.meta.url).href, name: 'lxc' },
});

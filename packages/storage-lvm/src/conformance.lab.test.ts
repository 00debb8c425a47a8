import { storageConformance } from '@lxd-ts/driver-kit/testing';
import { lvm } from '@lxd-ts/storage-lvm';
import { bundled } from '@lxd-ts/tooling/bundle';

const MiB = 1024 ** 2;

/** Volume groups belong to the whole host: names of our own. */
const group = (form: string): string => `lxd-ts-${process.pid}-${form}`;

storageConformance({
  driver: lvm,
  importFrom: bundled(new URL('./index.ts', import.meta.url), 'lvm'),
  pools: [
    {
      title: '[05.13 05.19 05.21 05.25 05.183] thin, in a loop file',
      config: async () => ({ size: '4GiB', 'lvm.vg_name': group('thin') }),
      grows: '5GiB',
    },
    {
      title: '[05.25 05.184] thick, on a block device',
      // Snapshots take their whole size; holes in the file take none.
      config: async ({ blockDevice }) => ({
        source: await blockDevice(1024 * 1024 * MiB),
        'lvm.use_thinpool': 'false',
        'lvm.vg_name': group('thick'),
      }),
      allocates: true,
      crashes: true,
    },
    // Their sizes are tested beside: xfs never shrinks, and both begin where the suite's volumes end.
    ...(['xfs', 'btrfs'] as const).map((filesystem) => ({
      title: `[05.13 05.187] thin, its volumes on ${filesystem}`,
      config: async () => ({ size: '6GiB', 'lvm.vg_name': group(filesystem), 'volume.block.filesystem': filesystem }),
      volumes: { 'block.filesystem': filesystem },
      only: ['volumes', 'snapshots', 'copies'] as const,
    })),
  ],
  tiny: {
    title: 'thin, in a small loop file',
    config: async () => ({ size: '256MiB', 'lvm.vg_name': group('tiny') }),
    tooMuch: 320 * MiB,
  },
});

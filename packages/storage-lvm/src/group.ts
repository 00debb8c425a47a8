import { type BlockDisk, isTrueOrUnset, type PoolSpec } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { ask } from './command.ts';
import { logicalVolumeName, nodePath } from './names.ts';

/** The volume group of a pool. Its names change when the pool is told to rename them. */
export interface Group {
  name: string;
  /** The thin pool that volumes are made in; undefined: volumes are thick. */
  thinPool: string | undefined;
}

/** The name of the thin pool that LXD makes. */
export const defaultThinPool = 'LXDThinPool';

export const usesThinPool = ({ config }: Pick<PoolSpec, 'config'>): boolean =>
  isTrueOrUnset(config['lvm.use_thinpool']);

export const groupOf = (spec: Pick<PoolSpec, 'name' | 'config'>): Group => ({
  name: spec.config['lvm.vg_name'] || spec.name,
  thinPool: usesThinPool(spec) ? spec.config['lvm.thinpool_name'] || defaultThinPool : undefined,
});

/** A logical volume as a report tells it. */
export interface LogicalVolume {
  readonly name: string;
  /** Bytes; of a thick snapshot those of what it is a snapshot of, not those it may keep. */
  readonly size: number;
  /** Grows with each one made. */
  readonly created: number;
  /** The thick volume that it is a snapshot of. */
  readonly origin: string;
  readonly isThickOrigin: boolean;
  readonly isThinPool: boolean;
  readonly tags: readonly string[];
}

/** Carries the moment at which a thick snapshot was made, in milliseconds: LVM itself keeps seconds. */
export const madeTag = 'lxd_ts_made=';

const logicalVolumeRow = z.object({
  lv_name: z.string(),
  lv_size: z.string(),
  origin_size: z.string(),
  lv_attr: z.string(),
  lv_time: z.string(),
  thin_id: z.string(),
  lv_tags: z.string(),
  origin: z.string(),
});

/** All logical volumes of a group that users can see, in any order. */
export const logicalVolumes = async ({ name }: Group): Promise<LogicalVolume[]> => {
  const rows = await ask('lvs', logicalVolumeRow, name);
  // One that has grown has a row for each of its segments.
  const unique = new Map(rows.map((row) => [row.lv_name, row]));
  return [...unique.values()].map((row) => {
    const isSnapshot = /^[sS]/.test(row.lv_attr);
    const tags = row.lv_tags.split(',');
    const made = tags.find((tag) => tag.startsWith(madeTag));
    return {
      name: row.lv_name,
      size: Number(isSnapshot ? row.origin_size : row.lv_size),
      // A thin volume's number is one more than the highest there was.
      created:
        row.thin_id === '' ? Number(made?.slice(madeTag.length) ?? Number(row.lv_time) * 1000) : Number(row.thin_id),
      origin: isSnapshot ? row.origin : '',
      isThickOrigin: /^[oO]/.test(row.lv_attr),
      isThinPool: row.lv_attr.startsWith('t'),
      tags,
    };
  });
};

/** The name that LVM's commands take. */
export const qualified = (group: Group, name: string): string => `${group.name}/${name}`;

export const nodeOf = (group: Group, disk: BlockDisk): string => nodePath(group.name, logicalVolumeName(disk));

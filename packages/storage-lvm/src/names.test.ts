import { isKind, type Volume } from '@lxd-ts/driver-kit';
import { expect, it } from 'vitest';
import { checkName, deviceName, logicalVolumeName, parseLogicalVolumeName } from './names.ts';

const volume = (parts: Partial<Volume>): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name: 'v',
  config: {},
  ...parts,
});

/** As LXD 5.0.2 names them (`lvs` beside it). */
const names = [
  ['containers_c1', volume({ type: 'container', name: 'c1' }), 'filesystem'],
  ['containers_c1-snap0', volume({ type: 'container', name: 'c1', snapshot: 'snap0' }), 'filesystem'],
  ['containers_pr_c2', volume({ type: 'container', project: 'pr', name: 'c2' }), 'filesystem'],
  ['custom_default_vol--a-s--1', volume({ name: 'vol-a', snapshot: 's-1' }), 'filesystem'],
  ['custom_default_blk.block', volume({ name: 'blk', content: 'block' }), 'disk'],
  ['custom_default_blk-s--1.block', volume({ name: 'blk', content: 'block', snapshot: 's-1' }), 'disk'],
  ['custom_default_cd.iso', volume({ name: 'cd', content: 'iso' }), 'disk'],
  ['virtual-machines_v1', volume({ type: 'virtual-machine', content: 'block', name: 'v1' }), 'filesystem'],
  [
    'virtual-machines_v1-snap--0.block',
    volume({ type: 'virtual-machine', content: 'block', name: 'v1', snapshot: 'snap-0' }),
    'disk',
  ],
  ['buckets_default_b1', volume({ type: 'bucket', name: 'b1' }), 'filesystem'],
  [`images_${'a'.repeat(64)}`, volume({ type: 'image', name: 'a'.repeat(64) }), 'filesystem'],
] as const;

it.each(names)("[05.242] %s is LXD's name of a volume, and read as such", (name, of, part) => {
  expect(logicalVolumeName({ volume: of, part })).toBe(name);
  expect(parseLogicalVolumeName(name)).toEqual({ volume: of, part });
});

it('names of others are no volumes', () => {
  for (const name of ['LXDThinPool', 'new_containers_c1', 'lvol0', 'containers_', 'containers']) {
    expect(parseLogicalVolumeName(name), name).toBeUndefined();
  }
});

it('the node of a logical volume doubles each dash', () => {
  expect(deviceName('my-vg', 'custom_default_a--b-s')).toBe('my--vg-custom_default_a----b--s');
});

it('names that LVM refuses are refused with what is wrong', () => {
  const refused = (name: string): string => {
    try {
      checkName('vg', { volume: volume({ name }), part: 'filesystem' });
      return '';
    } catch (error) {
      return isKind(error, 'bad-request') ? error.message : 'not a bad request';
    }
  };
  expect(refused('fine-name.1')).toBe('');
  expect(refused('a@b')).toContain('does not take "@"');
  expect(refused('data_tdata')).toContain('"_tdata"');
  expect(refused('disk.block')).toContain('".block"');
  expect(refused('-'.repeat(40))).toContain('too long');
});

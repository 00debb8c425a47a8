import type { Volume } from '@lxd-ts/driver-kit';
import { describe, expect, it } from 'vitest';
import { imageName, imageNames, parseImageName, parseSnapshotName, snapshotName } from './names.ts';

const volume = (parts: Partial<Volume>): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name: 'v1',
  config: {},
  ...parts,
});
const fingerprint = 'ab'.repeat(32);

describe('names of RBD images', () => {
  it.each([
    [volume({ type: 'container', name: 'c1' }), 'container_c1'],
    [volume({ type: 'container', name: 'c1', project: 'p1' }), 'container_p1_c1'],
    [volume({}), 'custom_default_v1'],
    [volume({ project: 'p1', name: 'a_b.c' }), 'custom_p1_a_b.c'],
    [volume({ content: 'block' }), 'custom_default_v1.block'],
    [volume({ content: 'iso' }), 'custom_default_v1.iso'],
    [volume({ type: 'virtual-machine', content: 'block', name: 'vm' }), 'virtual-machine_vm.block'],
    [volume({ type: 'image', name: fingerprint, config: { 'block.filesystem': 'ext4' } }), `image_${fingerprint}_ext4`],
    [
      volume({ type: 'image', content: 'block', name: fingerprint, config: { 'block.filesystem': 'xfs' } }),
      `image_${fingerprint}_xfs.block`,
    ],
  ])('are those of LXD, and are read back: %#', (one, name) => {
    expect(imageName(one)).toBe(name);
    expect(parseImageName(name)).toEqual(one);
  });

  it('a disk of an instance has a file system for metadata beside it, a custom one has not', () => {
    expect(imageNames(volume({ type: 'virtual-machine', content: 'block' }))).toEqual([
      'virtual-machine_v1',
      'virtual-machine_v1.block',
    ]);
    expect(imageNames(volume({ content: 'block' }))).toEqual(['custom_default_v1.block']);
  });

  it.each(['zombie_image_x_ext4', 'lxd_pool', 'foreign', 'image_nofs', 'image_'])('%s is no volume', (name) => {
    expect(parseImageName(name)).toBeUndefined();
  });

  it('names of snapshots are prefixed', () => {
    expect(snapshotName('s0')).toBe('snapshot_s0');
    expect(parseSnapshotName('snapshot_s0')).toBe('s0');
    expect(parseSnapshotName('zombie_snapshot_x')).toBeUndefined();
    expect(parseSnapshotName('readonly')).toBeUndefined();
  });
});

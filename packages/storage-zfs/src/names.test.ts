import type { Volume } from '@lxd-ts/driver-kit';
import { expect, it } from 'vitest';
import { hiddenLabel, isHidden, parseDataset, partsOf, snapshotLabel, userSnapshot } from './names.ts';
import { volumesAmong } from './volumes.ts';

const volume = (parts: Partial<Volume>): Volume => ({
  type: 'custom',
  content: 'filesystem',
  project: 'default',
  name: 'v',
  config: {},
  ...parts,
});

it('[05.191] volumes are called as LXD calls them on disk', () => {
  const names = (parts: Partial<Volume>): string[] => partsOf('tank/lxd', volume(parts)).map(({ dataset }) => dataset);
  expect(names({ type: 'container', name: 'c1' })).toEqual(['tank/lxd/containers/c1']);
  expect(names({ type: 'container', name: 'c1', project: 'p' })).toEqual(['tank/lxd/containers/p_c1']);
  expect(names({})).toEqual(['tank/lxd/custom/default_v']);
  expect(names({ content: 'block' })).toEqual(['tank/lxd/custom/default_v']);
  expect(names({ content: 'iso' })).toEqual(['tank/lxd/custom/default_v.iso']);
  expect(names({ type: 'virtual-machine', content: 'block', name: 'vm' })).toEqual([
    'tank/lxd/virtual-machines/vm',
    'tank/lxd/virtual-machines/vm.block',
  ]);
  expect(names({ type: 'image', name: 'f00d' })).toEqual(['tank/lxd/images/f00d']);
});

it('[05.205] a file system volume in block mode is a disk', () => {
  const kinds = (config: Volume['config']): string[] => partsOf('tank', volume({ config })).map(({ kind }) => kind);
  expect(kinds({})).toEqual(['dataset']);
  expect(kinds({ 'zfs.block_mode': 'false' })).toEqual(['dataset']);
  expect(kinds({ 'zfs.block_mode': 'true' })).toEqual(['formatted']);
});

it('snapshots of users are told from those that the driver makes for itself', () => {
  expect(userSnapshot(snapshotLabel('copy-1'))).toBe('copy-1');
  expect(userSnapshot('readonly')).toBeUndefined();
  expect(isHidden(hiddenLabel('copy'))).toBe(true);
  expect(isHidden('copy-5d9b20d0-daf1-4cea-8a1e-00a386873a34')).toBe(true);
  expect(isHidden(snapshotLabel('s0'))).toBe(false);
  expect(isHidden('readonly')).toBe(false);
});

it('what is no volume is none', () => {
  for (const name of [
    'tank',
    'tank/custom',
    'tank/deleted/custom/x',
    'tank/elsewhere/x',
    'tank/custom/a/b',
    'other/custom/x',
  ]) {
    expect(parseDataset('tank', name, 'filesystem', '-'), name).toBeUndefined();
  }
});

it('[05.242] the volumes of a pool that LXD 5.0.2 made are found', () => {
  // As `zfs list` told them of such a pool.
  const listed = [
    ['zp', 'filesystem', 1],
    ['zp/buckets', 'filesystem', 11],
    ['zp/buckets/default_photos', 'filesystem', 160],
    ['zp/containers', 'filesystem', 20],
    ['zp/containers/c4', 'filesystem', 90],
    ['zp/containers/c4@snapshot-s1', 'snapshot', 95],
    ['zp/containers/c4@snapshot-s0', 'snapshot', 92],
    ['zp/custom', 'filesystem', 12],
    ['zp/custom/default_b1', 'volume', 120],
    ['zp/custom/default_v1', 'filesystem', 121],
    ['zp/custom/default_v1@snapshot-sn', 'snapshot', 130],
    ['zp/deleted/images/5d5ce91b', 'filesystem', 40],
    ['zp/deleted/images/5d5ce91b@readonly', 'snapshot', 41],
    ['zp/virtual-machines/vm3', 'filesystem', 150],
    ['zp/virtual-machines/vm3@snapshot-vs0', 'snapshot', 151],
    ['zp/virtual-machines/vm3.block', 'volume', 149],
    ['zp/virtual-machines/vm3.block@snapshot-vs0', 'snapshot', 151],
  ] as const;
  const found = volumesAmong(
    'zp',
    listed.map(([name, type, created]) => ({ name, type, created, content: '-' })),
  );
  expect(found.map(({ volume: one, snapshots }) => [one.type, one.content, one.project, one.name, snapshots])).toEqual([
    ['bucket', 'filesystem', 'default', 'photos', []],
    ['container', 'filesystem', 'default', 'c4', ['s0', 's1']],
    ['custom', 'block', 'default', 'b1', []],
    ['custom', 'filesystem', 'default', 'v1', ['sn']],
    ['virtual-machine', 'block', 'default', 'vm3', ['vs0']],
  ]);
});

it('content types are told by the property that LXD keeps', () => {
  const contentOf = (name: string, content: string) =>
    parseDataset('zp', `zp/custom/default_${name}`, 'volume', content);
  expect(contentOf('v', 'filesystem')).toMatchObject({ content: 'filesystem', config: { 'zfs.block_mode': 'true' } });
  expect(contentOf('v.iso', 'iso')).toMatchObject({ content: 'iso', name: 'v' });
  expect(contentOf('v.iso', '-')).toMatchObject({ content: 'iso', name: 'v' });
  expect(contentOf('v.iso', 'block')).toMatchObject({ content: 'block', name: 'v.iso' });
});

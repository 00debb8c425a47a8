import { type Config, parseSize } from '@lxd-ts/driver-kit';

/** What every logical volume is made with: active now, and skipped by whoever activates all, as LXD does it. */
export const made = ['--yes', '--activate', 'y', '--setactivationskip', 'y', '--ignoreactivationskip'] as const;

/** The stripes of a new logical volume, from `lvm.stripes` and `lvm.stripes.size`. */
export const stripes = (config: Config): string[] => {
  const [count, size] = [config['lvm.stripes'] ?? '', config['lvm.stripes.size'] ?? ''];
  return [
    ...(count === '' ? [] : ['--stripes', count]),
    ...(size === '' ? [] : ['--stripesize', `${parseSize(size)}b`]),
  ];
};

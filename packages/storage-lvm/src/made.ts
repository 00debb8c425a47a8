import { type Config, parseSize } from '@lxd-ts/driver-kit';

/** What every logical volume is made with: it is skipped by whoever activates all, as LXD does it. */
const skipped = ['--yes', '--setactivationskip', 'y'] as const;

/** … and its device is there at once. */
export const made = [...skipped, '--activate', 'y', '--ignoreactivationskip'] as const;

/** … and its device is not there yet. */
export const madeInactive = [...skipped, '--activate', 'n'] as const;

/** The stripes of a new logical volume, from `lvm.stripes` and `lvm.stripes.size`. */
export const stripes = (config: Config): string[] => {
  const [count, size] = [config['lvm.stripes'] ?? '', config['lvm.stripes.size'] ?? ''];
  return [
    ...(count === '' ? [] : ['--stripes', count]),
    ...(size === '' ? [] : ['--stripesize', `${parseSize(size)}b`]),
  ];
};

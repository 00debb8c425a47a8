import { mkdir } from 'node:fs/promises';
import { type PoolSpec, unavailable } from '@lxd-ts/driver-kit';
import { attachLoop, bindMount, holdLoop, isMountPoint, mount } from '@lxd-ts/host';
import { sourceKind } from './source.ts';

/** The mount options of a pool's configuration. */
export const mountOptions = (spec: Pick<PoolSpec, 'config'>): string =>
  spec.config['btrfs.mount_options'] || 'user_subvol_rm_allowed';

/**
 * Mounts the source of a pool at its path, unless it is mounted already.
 *
 * @throws LxdError unavailable when the source is not there
 */
export const mountSource = async (spec: PoolSpec, source: string): Promise<void> => {
  const kind = await sourceKind(source);
  if (kind === undefined) throw unavailable(`The source "${source}" of storage pool "${spec.name}" is not there`);
  if (source === spec.path || (await isMountPoint(spec.path))) return;
  await mkdir(spec.path, { recursive: true, mode: 0o711 });
  if (kind === 'subvolume') await bindMount(source, spec.path);
  else if (kind === 'device') await mount(source, spec.path, { type: 'btrfs', options: mountOptions(spec) });
  else {
    // The device goes by itself with the last mount of it.
    await using loop = holdLoop(source) ?? (await attachLoop(source, { autoclear: true }));
    await mount(loop.path, spec.path, { type: 'btrfs', options: mountOptions(spec) });
  }
};

import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, conflict, isTrue, type Work } from '@lxd-ts/driver-kit';
import { type IdMap, parseIdMapJson, toHostId } from '@lxd-ts/host';
import { canMapIds } from '../core/id-mapped-mounts.ts';
import { alignIds, type IdState, isAligned, unshiftIds } from '../storage/ids-on-disk.ts';
import { renderIdMap } from './idmap.ts';
import type { Instance } from './instance.ts';

/** The map that the shifting of a root file system is under way to; a crash in the middle leaves it behind. */
const shiftingKey = 'volatile.idmap.shifting';

/** The map that its ids are shifted by. */
const currentKey = 'volatile.last_state.idmap';

/** The ids in a container's root file system on disk, as it was last left; empty: those seen inside. */
export const idsOnDisk = (config: Config): IdMap => parseIdMapJson(config[currentKey] ?? '[]');

const idStateOf = (config: Config): IdState => {
  const { [shiftingKey]: shifting } = config;
  return { current: idsOnDisk(config), unfinished: shifting ? parseIdMapJson(shifting) : undefined };
};

/** Whether a key tells of the ids on disk: it goes where the files go. */
export const tellsOfIds = (key: string): boolean => key === currentKey || key === shiftingKey;

/**
 * What the configuration of an instance, or of a snapshot, tells of the ids on disk, for an instance that has these files now. Empty keys
 * are to be forgotten.
 */
export const idKeysOf = ({ [currentKey]: current = '[]', [shiftingKey]: shifting = '' }: Config): Config => ({
  [currentKey]: current,
  [shiftingKey]: shifting,
});

/** @throws LxdError conflict when the ids on disk are of two maps, as a crash in the middle of a shifting leaves them */
export const assertOneMap = (config: Config): void => {
  if (config[shiftingKey]) {
    throw conflict('A change of the ids of its files was cut short: start and stop the container once, which ends it');
  }
};

/** Whether the configuration tells of ids on disk that are not those seen inside. */
export const isRootShifted = (config: Config): boolean => !isAligned(idStateOf(config), []);

/** Gives a root file system the ids seen inside. @param path - of the volume. @param config - tells how they are now */
export const unshiftRoot = (path: string, config: Config, work: Work = {}): Promise<void> =>
  unshiftIds(join(path, 'rootfs'), idStateOf(config), work);

/**
 * Brings the owners of a container's files on disk in line with what its next start needs: those seen inside where the file system
 * can mount with an id map, else those of the map itself (spec 03.147). Nearly always nothing is to be done.
 *
 * @param path - the mounted volume
 * @param idmap - of the start; unset: privileged
 * @param remember - keeps keys in the instance's configuration at once
 * @returns the map on disk now
 * @throws LxdError conflict when files would have to be rewritten and `security.protection.shift` forbids it
 */
export const alignRootIds = async (
  instance: Instance,
  path: string,
  idmap: IdMap | undefined,
  remember: (changes: Config) => Promise<void>,
): Promise<IdMap> => {
  const wanted: IdMap = idmap && !(await canMapIds(path)) ? idmap : [];
  const state = idStateOf(instance.config);
  if (isAligned(state, wanted)) return wanted;
  if (isTrue(instance.expanded.config['security.protection.shift'])) {
    throw conflict(
      'The file system of the container would have to be shifted to other ids, which "security.protection.shift" forbids',
    );
  }
  await alignIds(join(path, 'rootfs'), state, wanted, async ({ current, unfinished }) => {
    if (unfinished) return remember({ [shiftingKey]: renderIdMap(unfinished) });
    // The container's root, and nobody else on the host, must pass through the volume to its root file system.
    await chown(path, toHostId(current, 'uid', 0) ?? 0, toHostId(current, 'gid', 0) ?? 0);
    await chmod(path, 0o100);
    await remember({ [currentKey]: renderIdMap(current), [shiftingKey]: '' });
  });
  return wanted;
};

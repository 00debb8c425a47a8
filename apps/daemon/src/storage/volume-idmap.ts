/** What the configuration of a custom volume tells of the ids of its files, in LXD's keys. */
import type { Config, Work } from '@lxd-ts/driver-kit';
import { idMapToJson, parseIdMapJson } from '@lxd-ts/host';
import { type IdState, unshiftIds } from './ids-on-disk.ts';

/** The map that the files are shifted by, and the one that they are being shifted to or, when that is done, the same. */
const [lastKey, nextKey] = ['volatile.idmap.last', 'volatile.idmap.next'];

export const idmapKeys: readonly string[] = [lastKey, nextKey];

export const idStateOf = (config: Config): IdState => {
  const { [lastKey]: last = '[]', [nextKey]: next = last } = config;
  return { current: parseIdMapJson(last), unfinished: next === last ? undefined : parseIdMapJson(next) };
};

/** The keys that tell it; null: files with the ids seen inside need none. */
export const idKeys = ({ current, unfinished }: IdState): Record<string, string | null> => {
  if (current.length === 0 && unfinished === undefined) return { [lastKey]: null, [nextKey]: null };
  return {
    [lastKey]: JSON.stringify(idMapToJson(current)),
    [nextKey]: JSON.stringify(idMapToJson(unfinished ?? current)),
  };
};

/** Whether a configuration tells of ids on disk that are not those seen inside. */
export const isShifted = (config: Config): boolean => {
  const { current, unfinished } = idStateOf(config);
  return current.length > 0 || unfinished !== undefined;
};

/** Gives a directory tree the ids seen inside. @param config - tells how they are now */
export const unshiftVolume = (path: string, config: Config, work: Work = {}): Promise<void> =>
  unshiftIds(path, idStateOf(config), work);

/** A configuration that tells nothing of ids. */
export const withoutIdmap = (config: Config): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !idmapKeys.includes(key)));

/** Of a configuration what it tells of ids. */
export const idmapOf = (config: Config): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => idmapKeys.includes(key)));

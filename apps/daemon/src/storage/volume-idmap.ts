import { join } from 'node:path';
import type { Config, Work } from '@lxd-ts/driver-kit';
import { parseIdMapJson, shiftTree } from '@lxd-ts/host';

/** Says, of files from a server that shifts ids on disk, how it has shifted them. */
const idmapKey = 'volatile.idmap.last';

/** Whether a configuration tells of shifted ids. */
export const isShifted = (config: Config): boolean => parseIdMapJson(config[idmapKey] ?? '').length > 0;

/** Gives a directory tree the ids inside, which is how they are on disk here. @param config - how they are now */
export const unshiftVolume = async (path: string, config: Config, { signal }: Work = {}): Promise<void> => {
  const from = parseIdMapJson(config[idmapKey] ?? '');
  if (from.length > 0) await shiftTree(join(path, '.'), { from, ...(signal ? { signal } : {}) });
};

/** A configuration that tells nothing of ids. */
export const withoutIdmap = (config: Config): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('volatile.idmap.')));

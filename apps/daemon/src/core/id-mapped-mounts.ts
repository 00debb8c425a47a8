import { supportsIdmappedMounts } from '@lxd-ts/host';

/**
 * Whether files can be mounted with an id map: the file system that they are on can do that, and the environment variable
 * `LXD_IDMAPPED_MOUNTS_DISABLE` does not turn it off. Otherwise it is the files that get other ids (`storage/ids-on-disk.ts`).
 */
export const canMapIds = async (path: string): Promise<boolean> =>
  !process.env['LXD_IDMAPPED_MOUNTS_DISABLE'] && (await supportsIdmappedMounts(path));

import { messageOf, unavailable } from '@lxd-ts/driver-kit';
import { CommandError, run } from '@lxd-ts/host';
import { type Cluster, QUICK, timeLimit } from '../cluster.ts';

/** How long the kernel waits for an answer before it gives up mounting, in seconds. */
const MOUNT_TIMEOUT = Math.floor(QUICK / 2000);

/**
 * Mounts a directory of a CephFS by the kernel's client. mount.ceph(8) finds the monitors and the key.
 *
 * @throws LxdError unavailable when the cluster does not answer, or refuses
 */
export const mountCephfs = async (
  { name, user }: Cluster,
  { filesystem, path }: { readonly filesystem: string; readonly path: string },
  target: string,
  { cache = false }: { readonly cache?: boolean } = {},
): Promise<void> => {
  const options = [
    `name=${user}`,
    `conf=/etc/ceph/${name}.conf`,
    `mds_namespace=${filesystem}`,
    `mount_timeout=${MOUNT_TIMEOUT}`,
    ...(cache ? ['fsc'] : []),
  ];
  using limit = timeLimit(QUICK, `CephFS "${filesystem}" of cluster "${name}" was not mounted`);
  try {
    await run(['mount', '-t', 'ceph', `:${path}`, target, '-o', options.join()], {
      debianPackage: 'ceph-common',
      signal: limit.signal,
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw unavailable(
      `CephFS "${filesystem}" of cluster "${name}" cannot be mounted at "${path}" as user "${user}": ${messageOf(error)}`,
      { cause: error },
    );
  }
};

import { CommandError, run } from '@lxd-ts/host';
import type { RunInside } from './mount.ts';

/** Where programs are looked for in a container that says nothing about it. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs a program of a container in its namespaces, but not under its filter: a handler of mounts mounts, and would wait
 * for the answer to the very call it is to handle.
 */
export const runUnfiltered: RunInside = async (initPid, argv, uid, gid) => {
  try {
    await run(['nsenter', '-t', `${initPid}`, '-a', '-S', `${uid}`, '-G', `${gid}`, '--', ...argv], {
      cwd: '/',
      env: { PATH, UV_THREADPOOL_SIZE: undefined },
      stdout: 'ignore',
      debianPackage: 'util-linux',
    });
    return 0;
  } catch (error) {
    if (error instanceof CommandError) return error.exitCode ?? 1;
    throw error;
  }
};

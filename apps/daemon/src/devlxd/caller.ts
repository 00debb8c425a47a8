import { namespaceId, processStatus } from '@lxd-ts/host';

/** How far up the tree of processes a guest's process is looked for; deeper trees are matched by namespace. */
const maxDepth = 64;

const parentOf = (pid: number): number => Number(processStatus(pid)?.get('PPid') ?? 0);

/**
 * Finds out in which instance a process runs: its ancestors lead to the instance's init, or (a command entered from outside)
 * it shares the init's process namespace.
 *
 * @param pid - on the host, from the socket's peer credentials
 * @param inits - host pids of the inits of running instances
 * @returns one of `inits`
 */
export const instanceOfProcess = (pid: number, inits: ReadonlySet<number>): number | undefined => {
  let current = pid;
  for (let depth = 0; depth < maxDepth && current > 1; depth++) {
    if (inits.has(current)) return current;
    current = parentOf(current);
  }
  const namespace = namespaceId(pid, 'pid');
  if (namespace === undefined) return undefined;
  for (const init of inits) if (namespaceId(init, 'pid') === namespace) return init;
  return undefined;
};

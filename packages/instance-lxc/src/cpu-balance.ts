/**
 * Which CPUs containers run on. `limits.cpu` as a set pins a container; as a count it gets that many CPUs, chosen so that
 * the load is even, and chosen anew whenever a container starts or stops or a CPU is switched on.
 */
import { badRequest, type Config } from '@lxd-ts/driver-kit';
import { applyCgroupSettings, type Cgroup, cpuset, readCgroupFile } from '@lxd-ts/host';
import { cpusOfNodes, formatSet, onlineCpus, parseSet } from './cpu-set.ts';

/** What a container asks for. */
export type CpuRequest =
  | { readonly kind: 'any' }
  | { readonly kind: 'pinned'; readonly cpus: readonly number[] }
  /** `among` limits the choice, as a NUMA node does. */
  | { readonly kind: 'count'; readonly count: number; readonly among?: readonly number[] };

/** Reads `limits.cpu` and `limits.cpu.nodes`. @throws LxdError bad-request */
export const cpuRequest = (config: Config): CpuRequest => {
  const text = config['limits.cpu'];
  if (!text) return { kind: 'any' };
  if (!/^\d+$/.test(text)) return { kind: 'pinned', cpus: parseSet(text, 'limits.cpu') };
  const count = Number(text);
  if (count === 0) throw badRequest('Invalid value for "limits.cpu": a container needs at least one CPU');
  const nodes = config['limits.cpu.nodes'];
  if (!nodes) return { kind: 'count', count };
  return { kind: 'count', count, among: cpusOfNodes(parseSet(nodes, 'limits.cpu.nodes'), 'limits.cpu.nodes') };
};

/**
 * Shares CPUs out. Those that are pinned are left where they are and count as load; the largest of the others choose first,
 * each taking the CPUs with the least load.
 *
 * @returns the CPUs per request, in the order of the requests
 */
export const assignCpus = (requests: readonly CpuRequest[], online: readonly number[]): number[][] => {
  const load = new Map(online.map((cpu) => [cpu, 0]));
  const take = (cpus: readonly number[]) => {
    for (const cpu of cpus) load.set(cpu, (load.get(cpu) ?? 0) + 1);
  };
  for (const request of requests) if (request.kind === 'pinned') take(request.cpus);
  const chosen = new Map<CpuRequest, number[]>();
  const counts = requests.filter((request) => request.kind === 'count');
  for (const request of [...counts].sort((a, b) => b.count - a.count)) {
    const { among, count } = request;
    const candidates = among ? online.filter((cpu) => among.includes(cpu)) : online;
    const cpus = [...candidates]
      .sort((a, b) => (load.get(a) ?? 0) - (load.get(b) ?? 0) || a - b)
      .slice(0, count)
      .sort((a, b) => a - b);
    take(cpus);
    chosen.set(request, cpus);
  }
  return requests.map((request) => {
    if (request.kind === 'pinned') return [...request.cpus];
    return chosen.get(request) ?? [...online];
  });
};

/** A running container that takes part. */
export interface CpuUser {
  readonly cgroup: Cgroup;
  request: CpuRequest;
}

const users = new Set<CpuUser>();

const apply = (user: CpuUser, cpus: readonly number[]): void => {
  const value = formatSet(cpus);
  const current = readCgroupFile(user.cgroup, 'cpuset', 'cpuset.cpus');
  // Undefined: the container has ended meanwhile, or this host has no cpuset.
  if (current === undefined || current === value || value === '') return;
  applyCgroupSettings(user.cgroup, cpuset({ cpus: value }));
};

/** Shares the CPUs out anew among the containers that this process started or found. */
export const balanceCpus = (): void => {
  const all = [...users];
  const assigned = assignCpus(
    all.map(({ request }) => request),
    onlineCpus(),
  );
  all.forEach((user, at) => {
    // Never touched: a container without the key keeps what it was started with.
    if (user.request.kind !== 'any') apply(user, assigned[at] ?? []);
  });
};

const assertOnline = (request: CpuRequest, online: readonly number[]): void => {
  const absent = request.kind === 'pinned' ? request.cpus.filter((cpu) => !online.includes(cpu)) : [];
  if (absent.length === 0) return;
  throw badRequest(`Invalid value for "limits.cpu": this host has no CPU ${formatSet(absent)}`);
};

/** The CPUs for a container that is about to start. Undefined: all. */
export const initialCpus = (config: Config): string | undefined => {
  const request = cpuRequest(config);
  if (request.kind === 'any') return undefined;
  const online = onlineCpus();
  assertOnline(request, online);
  const requests = [...[...users].map((user) => user.request), request];
  return formatSet(assignCpus(requests, online).at(-1) ?? online);
};

/** Lets a running container take part in the balance. @returns a function that ends it */
export const joinBalance = (user: CpuUser): (() => void) => {
  users.add(user);
  balanceCpus();
  return () => {
    users.delete(user);
    balanceCpus();
  };
};

/** A changed `limits.cpu`. @throws LxdError bad-request for CPUs this host does not have */
export const changeCpuRequest = (user: CpuUser, request: CpuRequest): void => {
  const online = onlineCpus();
  assertOnline(request, online);
  user.request = request;
  if (request.kind === 'any') apply(user, online);
  balanceCpus();
};

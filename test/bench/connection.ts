/** Requests of the benchmarks: each LXD has one connection that stays open. */
import { Agent } from 'node:http';
import type { Lxd } from '../support/lxd.ts';
import { type RequestOptions, send } from '../support/rest.ts';

const agents = new Map<Lxd, Agent>();

export const agentOf = (lxd: Lxd): Agent => {
  const agent = agents.get(lxd) ?? new Agent({ keepAlive: true, maxSockets: 1 });
  agents.set(lxd, agent);
  return agent;
};

/** Closes the connection, before the daemon stops. */
export const disconnect = (lxd: Lxd): void => {
  agents.get(lxd)?.destroy();
  agents.delete(lxd);
};

/** No request takes so long, not even in a VM without KVM: LXD 5.0.2 now and then waits for ever where a stream of btrfs is imported. */
const longestMs = 300_000;

const inTime = async <T>(what: string, work: Promise<T>): Promise<T> => {
  using timeout = new DisposableStack();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what} was not answered within ${longestMs / 1000} s`)),
    longestMs,
  );
  timeout.defer(() => clearTimeout(timer));
  return await Promise.race([work, late.promise]);
};

/** A request and its operation. */
export const api = (
  lxd: Lxd,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<unknown> => inTime(`${method} ${path}`, lxd.api(method, path, body, { agent: agentOf(lxd), headers }));

/** A request whose answer is no JSON: its body. */
export const transfer = async (
  lxd: Lxd,
  method: string,
  path: string,
  content?: Buffer,
  options: RequestOptions = {},
): Promise<Buffer> => {
  const answer = send(lxd.socket, method, path, content, { agent: agentOf(lxd), ...options });
  const { status, body } = await inTime(`${method} ${path}`, answer);
  if (status !== 200) throw new Error(`Status ${status}: ${body.toString().slice(0, 300)}`);
  return body;
};

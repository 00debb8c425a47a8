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

/** A request and its operation. */
export const api = (
  lxd: Lxd,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<unknown> => lxd.api(method, path, body, { agent: agentOf(lxd), headers });

/** A request whose answer is no JSON: its body. */
export const transfer = async (
  lxd: Lxd,
  method: string,
  path: string,
  content?: Buffer,
  options: RequestOptions = {},
): Promise<Buffer> => {
  const { status, body } = await send(lxd.socket, method, path, content, { agent: agentOf(lxd), ...options });
  if (status !== 200) throw new Error(`Status ${status}: ${body.toString().slice(0, 300)}`);
  return body;
};

/** Containers of a test daemon, driven and looked at by tests. */
import { execFileSync } from 'node:child_process';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import type { TestDaemon } from './daemon.ts';

type Devices = Record<string, Record<string, string>>;

export interface TestContainer {
  readonly name: string;
  readonly start: () => Promise<unknown>;
  readonly stop: () => Promise<unknown>;
  /** Adds or replaces devices of the container's own. */
  readonly patch: (devices: Devices) => Promise<unknown>;
  /** Replaces all devices of its own. */
  readonly put: (devices: Devices) => Promise<unknown>;
  readonly get: () => Promise<{ devices: Devices; config: Record<string, string> }>;
  /** Host pid of its init. */
  readonly pid: () => Promise<number>;
  /** A path inside, as the host reaches it. The container must run. */
  readonly path: (inside: string) => Promise<string>;
  /** Runs a program of the host in the container's network. @returns its output */
  readonly inNetwork: (...argv: [string, ...string[]]) => Promise<string>;
}

/** Gives a daemon the busybox image, as alias `busybox`. */
export const importBusybox = async ({ run }: TestDaemon): Promise<void> => {
  const image = execFileSync('cat', [busyboxImage().unified], { maxBuffer: 1 << 28 });
  const added = await run('POST', '/1.0/images', image, { 'content-type': 'application/octet-stream' });
  const { fingerprint } = added as { fingerprint: string };
  await run('POST', '/1.0/images/aliases', { name: 'busybox', target: fingerprint });
};

/** Creates a container; it does not run yet. */
export const createContainer = async (
  { run }: TestDaemon,
  name: string,
  { devices = {}, config = {} }: { devices?: Devices; config?: Record<string, string> } = {},
): Promise<TestContainer> => {
  const url = `/1.0/instances/${name}`;
  await run('POST', '/1.0/instances', { name, devices, config, source: { type: 'image', alias: 'busybox' } });
  const state = (action: string): Promise<unknown> => run('PUT', `${url}/state`, { action, force: true, timeout: 10 });
  const get: TestContainer['get'] = async () => (await run('GET', url)) as Awaited<ReturnType<TestContainer['get']>>;
  const pid = async (): Promise<number> => ((await run('GET', `${url}/state`)) as { pid: number }).pid;
  return {
    name,
    get,
    pid,
    start: () => state('start'),
    stop: () => state('stop'),
    patch: (added) => run('PATCH', url, { devices: added }),
    put: async (all) => run('PUT', url, { ...(await get()), devices: all }),
    path: async (inside) => `/proc/${await pid()}/root${inside}`,
    inNetwork: async (...argv) =>
      execFileSync('nsenter', ['-t', String(await pid()), '-n', ...argv], { encoding: 'utf8' }),
  };
};

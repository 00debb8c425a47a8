import { connect } from '@lxd-ts/client';
import { unavailable } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { directoriesOf } from '../core/directories.ts';

export const shutdownCommand = defineCommand({
  meta: { name: 'shutdown', description: 'Tell LXD to shutdown all containers and exit' },
  args: {
    force: {
      type: 'boolean',
      alias: 'f',
      description: 'Force shutdown instead of waiting for running operations to finish',
    },
    timeout: { type: 'string', alias: 't', description: 'Number of seconds to wait before giving up' },
  },
  async run({ args }) {
    const client = connect({ kind: 'unix', socketPath: directoriesOf().socket });
    const signal = args.timeout === undefined ? undefined : AbortSignal.timeout(Number(args.timeout) * 1000);
    try {
      const { value } = await client.get<{ environment: { server_pid: number } }>([]);
      const asked = await client.raw('PUT', `/internal/shutdown${args.force ? '?force=1' : ''}`, {}, { signal });
      asked.body.resume();
      await processEnd(value.environment.server_pid, signal);
    } catch (error) {
      if (signal?.aborted) throw unavailable(`LXD still running after ${args.timeout}s timeout`);
      throw error;
    } finally {
      client.close();
    }
  },
});

/** Resolves when the process is gone. */
const processEnd = async (pid: number, signal: AbortSignal | undefined): Promise<void> => {
  const { openProcess } = await import('@lxd-ts/host');
  const process = openProcess(pid);
  if (!process) return;
  const aborted = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  await Promise.race([process.exited(), aborted]);
};

import { readFileSync } from 'node:fs';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { z } from 'zod';
import { type Lxd, type Programs, startLxd } from './lxd.ts';
import { underTest } from './programs.ts';

const imported = z.looseObject({ fingerprint: z.string() });

/**
 * Starts an LXD, the one under test unless told otherwise, with the pools `plain` and `plain2` (dir), `tree` and `tree2` (btrfs), no
 * network, and the small image as `busybox`. New instances live in `plain`.
 */
export const startWithPools = async (programs: Programs = underTest): Promise<Lxd> => {
  const lxd = await startLxd(programs);
  try {
    for (const name of ['plain', 'plain2']) await lxd.api('POST', '/1.0/storage-pools', { name, driver: 'dir' });
    for (const name of ['tree', 'tree2'])
      await lxd.api('POST', '/1.0/storage-pools', { name, driver: 'btrfs', config: { size: '300MiB' } });
    const root = { type: 'disk', path: '/', pool: 'plain' };
    await lxd.api('PUT', '/1.0/profiles/default', { config: {}, description: '', devices: { root } });
    const headers = { 'content-type': 'application/octet-stream', 'X-LXD-filename': 'busybox.tar.gz' };
    const image = await lxd.api('POST', '/1.0/images', readFileSync(busyboxImage().unified), { headers });
    const target = imported.parse(image).fingerprint;
    await lxd.api('POST', '/1.0/images/aliases', { name: 'busybox', target });
  } catch (error) {
    await lxd[Symbol.asyncDispose]();
    throw error;
  }
  return lxd;
};

/** Runs Debian's `lxc` with words that must succeed; its standard output. */
export const debianLxc = async (lxd: Lxd, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lxd.lxc(args, { client: ['/usr/bin/lxc'] });
  if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
};

/** What Debian's `lxc` says of words that must fail. */
export const debianLxcFails = async (lxd: Lxd, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lxd.lxc(args, { client: ['/usr/bin/lxc'] });
  if (code === 0) throw new Error(`lxc ${args.join(' ')} did not fail: ${stdout}`);
  return stderr;
};

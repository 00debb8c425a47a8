import { readFileSync } from 'node:fs';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { z } from 'zod';
import { type Lxd, type Programs, startLxd } from './lxd.ts';

/** The address of the bridge that `preseed` makes. */
export const bridgeAddress = '10.88.0.1';

/** A `dir` pool, a bridge `lxdbr0` with DHCP, DNS and NAT at a fixed address, and a default profile that uses both. */
export const preseed = {
  storage_pools: [{ name: 'default', driver: 'dir' }],
  networks: [
    {
      name: 'lxdbr0',
      type: 'bridge',
      config: { 'ipv4.address': `${bridgeAddress}/24`, 'ipv4.nat': 'true', 'ipv6.address': 'none' },
    },
  ],
  profiles: [
    {
      name: 'default',
      devices: {
        root: { type: 'disk', path: '/', pool: 'default' },
        eth0: { type: 'nic', name: 'eth0', network: 'lxdbr0' },
      },
    },
  ],
};

const imported = z.looseObject({ fingerprint: z.string() });

/** Sets a fresh LXD up: pool, bridge, default profile, and the small image as `busybox`. */
export const initialise = async (lxd: Lxd): Promise<void> => {
  // JSON is YAML.
  await lxd.admin(['init', '--preseed'], { input: JSON.stringify(preseed) });
  const headers = { 'content-type': 'application/octet-stream', 'X-LXD-filename': 'busybox.tar.gz' };
  const image = await lxd.api('POST', '/1.0/images', readFileSync(busyboxImage().unified), { headers });
  const target = imported.parse(image).fingerprint;
  await lxd.api('POST', '/1.0/images/aliases', { name: 'busybox', target });
};

/** Starts an LXD and sets it up. */
export const startInitialised = async (programs: Programs): Promise<Lxd> => {
  const lxd = await startLxd(programs);
  try {
    await initialise(lxd);
  } catch (error) {
    await lxd[Symbol.asyncDispose]();
    throw error;
  }
  return lxd;
};

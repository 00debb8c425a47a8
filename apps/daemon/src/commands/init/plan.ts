import type { Client } from '@lxd-ts/client';
import { badRequest } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import type { Questions } from '../questions.ts';
import { askPool, type OfferedDriver } from './ask-pool.ts';
import type { Preseed } from './preseed.ts';
import { readPreseed } from './preseed.ts';

/** What `lxd init` needs to know of the server before it asks. */
export interface Situation {
  readonly pools: readonly string[];
  readonly networks: readonly string[];
  /** Storage drivers that work here and are to be offered. */
  readonly drivers: readonly OfferedDriver[];
  /** The size that a loop file gets, in bytes. */
  readonly loopSize: number;
}

const answerShape = z.object({
  storage_drivers: z.array(z.object({ name: z.string(), loop_files: z.boolean(), remote: z.boolean() })),
  loop_size: z.number(),
});

export const situationOf = async (client: Client): Promise<Situation> => {
  const names = async (collection: string): Promise<string[]> =>
    (await client.get<{ name: string; managed?: boolean }[]>([collection], { recursion: '1' })).value
      .filter((one) => one.managed !== false)
      .map((one) => one.name);
  const offered = answerShape.parse((await client.query('GET', '/internal/init')).metadata);
  return {
    pools: await names('storage-pools'),
    networks: await names('networks'),
    drivers: offered.storage_drivers.map(({ name, loop_files, remote }) => ({ name, loopFiles: loop_files, remote })),
    loopSize: offered.loop_size,
  };
};

/** The simple set-up: a `dir` pool, a bridge and the default profile, each only where there is none (spec 01.51–52). */
export const minimalPlan = ({ pools, networks }: Situation): Preseed => {
  const pool = pools[0] ?? 'default';
  const network = networks[0] ?? 'lxdbr0';
  return readPreseed(
    JSON.stringify({
      storage_pools: pools.length === 0 ? [{ name: pool, driver: 'dir' }] : [],
      networks:
        networks.length === 0
          ? [{ name: network, type: 'bridge', config: { 'ipv4.address': 'auto', 'ipv6.address': 'auto' } }]
          : [],
      profiles: [defaultProfile(pool, network)],
    }),
  );
};

const defaultProfile = (pool: string | undefined, network: string | undefined, parent?: string) => ({
  name: 'default',
  description: 'Default LXD profile',
  devices: {
    ...(pool === undefined ? {} : { root: { type: 'disk', path: '/', pool } }),
    ...(network !== undefined
      ? { eth0: { type: 'nic', name: 'eth0', network } }
      : parent !== undefined
        ? { eth0: { type: 'nic', name: 'eth0', nictype: 'bridged', parent } }
        : {}),
  },
});

/** The flags of `lxd init --auto`. */
export interface AutoOptions {
  readonly networkAddress?: string | undefined;
  readonly networkPort?: string | undefined;
  readonly backend?: string | undefined;
  readonly device?: string | undefined;
  /** GiB. */
  readonly loop?: string | undefined;
  readonly pool?: string | undefined;
  readonly trustPassword?: string | undefined;
}

const listenConfig = (
  address: string | undefined,
  port: string | undefined,
  password: string | undefined,
): Record<string, string> => ({
  ...(address ? { 'core.https_address': `${address.includes(':') ? `[${address}]` : address}:${port || '8443'}` } : {}),
  ...(password ? { 'core.trust_password': password } : {}),
});

/** The set-up that the flags of `--auto` describe. */
export const autoPlan = (situation: Situation, options: AutoOptions): Preseed => {
  const minimal = minimalPlan(situation);
  const name = options.pool ?? minimal.storage_pools[0]?.name ?? situation.pools[0] ?? 'default';
  const pool = {
    name,
    driver: options.backend ?? 'dir',
    config: {
      ...(options.device ? { source: options.device } : {}),
      ...(options.loop ? { size: `${options.loop}GiB` } : {}),
    },
  };
  return readPreseed(
    JSON.stringify({
      ...minimal,
      config: listenConfig(options.networkAddress, options.networkPort, options.trustPassword),
      storage_pools: situation.pools.includes(name) ? [] : [pool],
      profiles: [defaultProfile(name, minimal.networks[0]?.name ?? situation.networks[0])],
    }),
  );
};

/** Asks the questions of `lxd init` (spec 01.42–50). */
export const askedPlan = async (
  situation: Situation,
  questions: Questions,
): Promise<{ plan: Preseed; print: boolean }> => {
  if (await questions.yes('Would you like to use LXD clustering?', false)) {
    throw badRequest('Clustering is not available in this version: answer no');
  }

  const pool = (await questions.yes('Do you want to configure a new storage pool?', situation.pools.length === 0))
    ? await askPool(situation, questions)
    : undefined;

  let network: { name: string; type: string; config: Record<string, string> } | undefined;
  let parent: string | undefined;
  if (await questions.yes('Would you like to create a new local network bridge?', situation.networks.length === 0)) {
    const address = (answer: string): string | undefined =>
      answer === 'auto' || answer === 'none' || answer.includes('/')
        ? undefined
        : 'give a subnet in CIDR form, "auto" or "none"';
    const name = await questions.text('What should the new bridge be called?', 'lxdbr0');
    const ipv4 = await questions.text(
      'What IPv4 address should be used? (CIDR subnet notation, “auto” or “none”)',
      'auto',
      address,
    );
    const ipv6 = await questions.text(
      'What IPv6 address should be used? (CIDR subnet notation, “auto” or “none”)',
      'auto',
      address,
    );
    network = { name, type: 'bridge', config: { 'ipv4.address': ipv4, 'ipv6.address': ipv6 } };
  } else if (
    situation.networks.length === 0 &&
    (await questions.yes('Would you like to configure LXD to use an existing bridge or host interface?', false))
  ) {
    parent = await questions.text('Name of the existing bridge or host interface', '', (answer) =>
      answer === '' ? 'give its name' : undefined,
    );
  }

  let config: Record<string, string> = {};
  if (await questions.yes('Would you like the LXD server to be available over the network?', false)) {
    const address = await questions.text('Address to bind LXD to (not including port)', 'all');
    const port = await questions.text('Port to bind LXD to', '8443', (answer) =>
      /^[0-9]+$/.test(answer) && Number(answer) < 65536 ? undefined : 'give a port number',
    );
    config = listenConfig(address === 'all' ? '::' : address, port, undefined);
  }
  if (!(await questions.yes('Would you like stale cached images to be updated automatically?', true))) {
    config['images.auto_update_interval'] = '0';
  }
  const print = await questions.yes('Would you like a YAML "lxd init" preseed to be printed?', false);
  const plan = readPreseed(
    JSON.stringify({
      config,
      storage_pools: pool ? [pool] : [],
      networks: network ? [network] : [],
      profiles:
        pool || network || parent
          ? [
              defaultProfile(
                pool?.name ?? situation.pools[0],
                network?.name ?? (parent ? undefined : situation.networks[0]),
                parent,
              ),
            ]
          : [],
    }),
  );
  return { plan, print };
};

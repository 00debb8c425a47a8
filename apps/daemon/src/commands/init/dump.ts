import type { Client } from '@lxd-ts/client';
import { stringify } from 'yaml';

interface Named {
  readonly name: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
}

/** The present configuration as a preseed, in YAML (`lxd init --dump`). */
export const dumpConfiguration = async (client: Client): Promise<string> => {
  const list = async <T>(name: string): Promise<readonly T[]> =>
    (await client.get<T[]>([name], { recursion: '1' })).value;
  const { value: server } = await client.get<{ config: Readonly<Record<string, unknown>> }>([]);
  const networks = await list<Named & { type: string; managed: boolean }>('networks');
  const pools = await list<Named & { driver: string }>('storage-pools');
  const profiles = await list<Named & { devices: Readonly<Record<string, Record<string, string>>> }>('profiles');
  const projects = await list<Named>('projects');
  return stringify(
    {
      config: server.config,
      networks: networks
        .filter((one) => one.managed)
        .map(({ config, description, name, type }) => ({ config, description, name, type, project: 'default' })),
      storage_pools: pools.map(({ config, description, name, driver }) => ({ config, description, name, driver })),
      profiles: profiles.map(({ config, description, devices, name }) => ({ config, description, devices, name })),
      projects: projects.map(({ config, description, name }) => ({ config, description, name })),
    },
    { lineWidth: 0, indentSeq: false },
  );
};

import type { Client } from '@lxd-ts/client';

/** What `GET /1.0` tells about a server. */
export interface Server {
  config: Record<string, string>;
  api_extensions: string[];
  api_status: string;
  api_version: string;
  auth: 'trusted' | 'untrusted';
  auth_methods: string[];
  public: boolean;
  environment: {
    addresses: string[];
    certificate: string;
    certificate_fingerprint: string;
    server_clustered: boolean;
    server_name: string;
    server_version: string;
    project: string;
  };
}

export const serverInfo = async (client: Client): Promise<Server> => (await client.get<Server>([])).value;

/** Whether a server is in a cluster; not asked when the answer does not matter. */
export const isClustered = async (client: Client, matters = true): Promise<boolean> =>
  matters && (await serverInfo(client)).environment.server_clustered;

import type { Client } from '@lxd-ts/client';
import { UserError } from '../command/errors.ts';

/** What `GET /1.0` tells about a server. */
export interface Server {
  config: Record<string, string>;
  api_extensions: string[];
  api_status: string;
  api_version: string;
  auth: 'trusted' | 'untrusted';
  auth_methods: string[];
  public: boolean;
  /** Told to those it trusts only. */
  environment?: {
    addresses: string[];
    certificate: string;
    certificate_fingerprint: string;
    server_clustered: boolean;
    server_name: string;
    server_version: string;
    project: string;
  };
}

/** What a server tells of itself. Throws UserError if it does not trust this client. */
export const serverInfo = async (client: Client): Promise<TrustingServer> => {
  const { value } = await client.get<Server>([]);
  const { environment } = value;
  if (environment === undefined) throw new UserError('not authorized');
  return { ...value, environment };
};

/** A server as it tells those it trusts. */
export type TrustingServer = Server & { environment: NonNullable<Server['environment']> };

/**
 * The server as one cluster member answers for it; as it is when no member is named.
 *
 * @throws UserError if there is no cluster
 */
export const onMember = async (client: Client, member: string): Promise<Client> => {
  if (member === '') return client;
  if (!(await isClustered(client))) throw new UserError('To use --target, the destination remote must be a cluster');
  return client.onMember(member);
};

/** Whether a server is in a cluster; not asked when the answer does not matter. */
export const isClustered = async (client: Client, matters = true): Promise<boolean> =>
  matters && (await serverInfo(client)).environment.server_clustered;

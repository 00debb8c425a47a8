import type { Client, OperationObject } from '@lxd-ts/client';
import { isRecord } from '../../yaml/shape.ts';

/** A token somebody may use once, and the operation that waits for it. */
export interface Token {
  name: string;
  token: string;
  expiresAt: string;
  operation: string;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64');

/** The token that lets a client add its certificate, from the operation that waits for it. */
export const certificateToken = ({ id, metadata }: OperationObject): Token | undefined => {
  if (!isRecord(metadata) || !isRecord(metadata.request)) return undefined;
  const name = text(metadata.request.name);
  const expiresAt = text(metadata.expiresAt) || '0001-01-01T00:00:00Z';
  const { fingerprint, addresses, secret } = metadata;
  const token = encode({ client_name: name, fingerprint, addresses, secret, expires_at: expiresAt });
  return { name, token, expiresAt, operation: id };
};

/** The token that lets a server join a cluster, from the operation that waits for it. */
export const joinToken = ({ id, metadata }: OperationObject): Token | undefined => {
  if (!isRecord(metadata) || metadata.serverName === undefined) return undefined;
  const name = text(metadata.serverName);
  const expiresAt = text(metadata.expiresAt) || '0001-01-01T00:00:00Z';
  const { fingerprint, addresses, secret } = metadata;
  const token = encode({ server_name: name, fingerprint, addresses, secret, expires_at: expiresAt });
  return { name, token, expiresAt, operation: id };
};

/** All tokens of one kind that are still waiting. */
export const waitingTokens = async (
  client: Client,
  read: (operation: OperationObject) => Token | undefined,
): Promise<Token[]> => {
  const { value } = await client.get<Record<string, OperationObject[]> | null>(['operations'], { recursion: 1 });
  return Object.values(value ?? {})
    .flat()
    .filter((operation) => operation.class === 'token' && operation.status_code === 103)
    .flatMap((operation) => read(operation) ?? []);
};

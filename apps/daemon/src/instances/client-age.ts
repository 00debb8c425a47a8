/** What clients of old are not told: they hand whole configurations on to servers of their own age, which refuse what they do not know. */
import type { Config } from '@lxd-ts/driver-kit';
import type { ApiRequest } from '../http/request.ts';

/** Keys that instances have got since LXD 5.0, and the version that brought them. */
const newKeys: Readonly<Record<string, { readonly major: number; readonly minor: number }>> = {
  'volatile.uuid.generation': { major: 5, minor: 1 },
};

/** An instance or snapshot on the wire. */
export interface InstanceWire {
  readonly config: Config;
  readonly expanded_config: Config;
}

/** The keys above that came after the client, which names its version in `User-Agent: LXD 5.0.2 (…)`. Other clients know all. */
const unknownKeys = (request: Pick<ApiRequest, 'incoming'>): readonly string[] => {
  const [, major, minor] = /^LXD (\d+)\.(\d+)/.exec(request.incoming.headers['user-agent'] ?? '') ?? [];
  if (major === undefined) return [];
  const [itsMajor, itsMinor] = [Number(major), Number(minor)];
  return Object.entries(newKeys)
    .filter(([, since]) => itsMajor < since.major || (itsMajor === since.major && itsMinor < since.minor))
    .map(([key]) => key);
};

/** Instances or snapshots, and the snapshots in them, as the client that asks can know them. */
export const forClient = <T extends InstanceWire & { readonly snapshots?: readonly InstanceWire[] | null }>(
  request: Pick<ApiRequest, 'incoming'>,
  all: readonly T[],
): readonly T[] => {
  const unknown = unknownKeys(request);
  if (unknown.length === 0) return all;
  const known = (config: Config): Config =>
    Object.fromEntries(Object.entries(config).filter(([key]) => !unknown.includes(key)));
  const plain = <W extends InstanceWire>(wire: W): W => ({
    ...wire,
    config: known(wire.config),
    expanded_config: known(wire.expanded_config),
  });
  return all.map((wire) => ({ ...plain(wire), ...(wire.snapshots ? { snapshots: wire.snapshots.map(plain) } : {}) }));
};

import { InvalidInputError } from './errors.ts';

/** Where an object is: the project, and the cluster member if it exists only there. */
export interface Scope {
  /** Left out of the URL when absent or `default`. */
  readonly project?: string | undefined;
  /** The member's name; left out when absent, empty or `none` (not clustered). */
  readonly target?: string | undefined;
}

/** Escapes one path segment (RFC 3986 §3.3), keeping the characters a segment may hold, as Go's net/url does. */
const escapeSegment = (segment: string): string =>
  encodeURIComponent(segment)
    .replace(/%(24|26|2B|3A|3D|40)/g, (escaped) => decodeURIComponent(escaped))
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * The URL of an object below `/1.0`, as `used_by`, `Location` and collections have it (spec 09 COL-10):
 * `resourceUrl(['instances', 'c1'], { project: 'p' })` is `/1.0/instances/c1?project=p`.
 */
export const resourceUrl = (segments: readonly string[], { project, target }: Scope = {}): string => {
  const query = [
    ...(project && project !== 'default' ? [`project=${encodeURIComponent(project)}`] : []),
    ...(target && target !== 'none' ? [`target=${encodeURIComponent(target)}`] : []),
  ];
  return `/1.0${segments.map((segment) => `/${escapeSegment(segment)}`).join('')}${query.length > 0 ? `?${query.join('&')}` : ''}`;
};

/** A resource URL taken apart; `project` is `default` where the URL names none. */
export interface ResourcePath {
  readonly segments: readonly string[];
  readonly project: string;
  readonly target: string | undefined;
}

/**
 * The inverse of {@link resourceUrl}.
 *
 * @throws InvalidInputError if the text is not a path below `/1.0`, or is wrongly escaped
 */
export const parseResourceUrl = (url: string): ResourcePath => {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  if (path !== '/1.0' && !path.startsWith('/1.0/')) throw new InvalidInputError(`"${url}" is not a URL below /1.0`);
  const parameters = new URLSearchParams(query);
  try {
    return {
      segments: path.split('/').slice(2).map(decodeURIComponent),
      project: parameters.get('project') ?? 'default',
      target: parameters.get('target') ?? undefined,
    };
  } catch (error) {
    throw new InvalidInputError(`"${url}" is wrongly escaped`, { cause: error });
  }
};

export const certificateUrl = (fingerprint: string): string => resourceUrl(['certificates', fingerprint]);
export const clusterGroupUrl = (name: string): string => resourceUrl(['cluster', 'groups', name]);
export const clusterMemberUrl = (name: string): string => resourceUrl(['cluster', 'members', name]);
export const imageUrl = (fingerprint: string, scope?: Scope): string => resourceUrl(['images', fingerprint], scope);
export const imageAliasUrl = (name: string, scope?: Scope): string => resourceUrl(['images', 'aliases', name], scope);
export const instanceUrl = (name: string, scope?: Scope): string => resourceUrl(['instances', name], scope);
export const instanceSnapshotUrl = (instance: string, snapshot: string, scope?: Scope): string =>
  resourceUrl(['instances', instance, 'snapshots', snapshot], scope);
export const instanceBackupUrl = (instance: string, backup: string, scope?: Scope): string =>
  resourceUrl(['instances', instance, 'backups', backup], scope);
export const instanceLogUrl = (instance: string, file: string, scope?: Scope): string =>
  resourceUrl(['instances', instance, 'logs', file], scope);
export const networkUrl = (name: string, scope?: Scope): string => resourceUrl(['networks', name], scope);
export const networkAclUrl = (name: string, scope?: Scope): string => resourceUrl(['network-acls', name], scope);
export const networkForwardUrl = (network: string, listenAddress: string, scope?: Scope): string =>
  resourceUrl(['networks', network, 'forwards', listenAddress], scope);
export const networkLoadBalancerUrl = (network: string, listenAddress: string, scope?: Scope): string =>
  resourceUrl(['networks', network, 'load-balancers', listenAddress], scope);
export const networkPeerUrl = (network: string, peer: string, scope?: Scope): string =>
  resourceUrl(['networks', network, 'peers', peer], scope);
export const networkZoneUrl = (zone: string, scope?: Scope): string => resourceUrl(['network-zones', zone], scope);
export const networkZoneRecordUrl = (zone: string, record: string, scope?: Scope): string =>
  resourceUrl(['network-zones', zone, 'records', record], scope);
export const operationUrl = (id: string): string => resourceUrl(['operations', id]);
export const profileUrl = (name: string, scope?: Scope): string => resourceUrl(['profiles', name], scope);
export const projectUrl = (name: string): string => resourceUrl(['projects', name]);
export const storageBucketUrl = (pool: string, bucket: string, scope?: Scope): string =>
  resourceUrl(['storage-pools', pool, 'buckets', bucket], scope);
export const storageBucketKeyUrl = (pool: string, bucket: string, key: string, scope?: Scope): string =>
  resourceUrl(['storage-pools', pool, 'buckets', bucket, 'keys', key], scope);
export const storagePoolUrl = (name: string): string => resourceUrl(['storage-pools', name]);
export const storageVolumeUrl = (pool: string, type: string, volume: string, scope?: Scope): string =>
  resourceUrl(['storage-pools', pool, 'volumes', type, volume], scope);
export const storageVolumeSnapshotUrl = (
  pool: string,
  type: string,
  volume: string,
  snapshot: string,
  scope?: Scope,
): string => resourceUrl(['storage-pools', pool, 'volumes', type, volume, 'snapshots', snapshot], scope);
export const storageVolumeBackupUrl = (
  pool: string,
  type: string,
  volume: string,
  backup: string,
  scope?: Scope,
): string => resourceUrl(['storage-pools', pool, 'volumes', type, volume, 'backups', backup], scope);
export const warningUrl = (uuid: string): string => resourceUrl(['warnings', uuid]);

import { type Client, isNotFound } from '@lxd-ts/client';

/** What is known when an argument is to be completed. */
export interface Asked {
  client: Client;
  /** The words of the command, e.g. `['lxc', 'storage', 'volume', 'restore']`. */
  path: readonly string[];
  /** What stands on the command line so far, by the names of the usage line: `{ pool: 'default', volume: 'data' }`. */
  known: Readonly<Record<string, string>>;
}

type Lookup = (asked: Asked) => Promise<string[]>;

const segmentsOf = (url: string): string[] =>
  (url.split('?')[0] ?? '')
    .split('/')
    .filter((part) => part !== '')
    .slice(1)
    .map(decodeURIComponent);

/** The URLs of a collection, each in its segments behind `1.0`. */
const members = async (client: Client, segments: readonly string[]): Promise<string[][]> => {
  const { value } = await client.get<string[] | Record<string, string[]> | null>(segments);
  return (Array.isArray(value) ? value : Object.values(value ?? {}).flat()).map(segmentsOf);
};

const names = async (client: Client, segments: readonly string[]): Promise<string[]> =>
  (await members(client, segments)).map((found) => found.at(-1) ?? '');

/** All of a collection that stands at a fixed path. */
const all =
  (...segments: string[]): Lookup =>
  ({ client }) =>
    names(client, segments);

/** All of a collection below something that is named before it; nothing while that is missing. */
const below =
  (path: (known: Asked['known']) => (string | undefined)[]): Lookup =>
  async ({ client, known }) => {
    const segments = path(known);
    return segments.every((segment) => segment !== undefined) ? names(client, segments) : [];
  };

const instanceOf = ({ instance, source }: Asked['known']): string | undefined => instance ?? source;
const volumeOf = ({ pool, volume }: Asked['known']): (string | undefined)[] => [
  'storage-pools',
  pool,
  'volumes',
  'custom',
  volume,
];

/** The volumes of a pool as the commands take them: those made by users by name, others by type and name. */
const volumes: Lookup = async ({ client, known: { pool } }) => {
  if (pool === undefined) return [];
  const found = await members(client, ['storage-pools', pool, 'volumes']);
  return found.map(([, , , type = '', name = '']) => (type === 'custom' ? name : `${type}/${name}`));
};

const snapshots: Lookup = (asked) =>
  below((known) =>
    asked.path[1] === 'storage' ? [...volumeOf(known), 'snapshots'] : ['instances', instanceOf(known), 'snapshots'],
  )(asked);

/** Where the object is whose settings a command is about; the narrowest thing that is named counts. */
const objectOf = ({ path, known }: Asked): string[] => {
  const { network = '', pool = '' } = known;
  const kinds: [string | undefined, string[]][] = [
    [known.bucket, ['storage-pools', pool, 'buckets']],
    [known.volume, ['storage-pools', pool, 'volumes', 'custom']],
    [known.pool, ['storage-pools']],
    [known.listen_address, ['networks', network, path[2] === 'forward' ? 'forwards' : 'load-balancers']],
    [known.peer_name, ['networks', network, 'peers']],
    [known.record, ['network-zones', known.zone ?? '', 'records']],
    [known.ACL, ['network-acls']],
    [known.Zone, ['network-zones']],
    [known.network, ['networks']],
    [known.image, ['images']],
    [instanceOf(known), ['instances']],
    [known.profile, ['profiles']],
    [known.project, ['projects']],
    [known.member, ['cluster', 'members']],
  ];
  const [name, collection] = kinds.find(([found]) => found !== undefined) ?? [];
  return name === undefined ? [] : [...(collection ?? []), name];
};

interface Configured {
  config?: Record<string, string>;
  properties?: Record<string, string>;
  devices?: Record<string, Record<string, string>>;
}

/** The keys that a server documents for a kind of object (`GET /1.0/metadata/configuration`), if it does. */
const documented: Lookup = async ({ client, known }) => {
  const ofInstance = instanceOf(known) !== undefined || known.profile !== undefined;
  const kind = ofInstance ? 'instance' : known.project === undefined ? 'server' : 'project';
  try {
    const { value } = await client.get<Documentation>(['metadata', 'configuration']);
    const found = Object.values(value.configs[kind] ?? {}).flatMap((group) => group.keys.flatMap(Object.keys));
    return found.filter((key) => !key.includes('*'));
  } catch (error) {
    // Older servers document nothing.
    if (isNotFound(error)) return [];
    throw error;
  }
};

/** The keys of settings, by kind of object and group. */
interface Documentation {
  configs: Record<string, Record<string, { keys: Record<string, unknown>[] }>>;
}

/** The keys that may be set: those that are, and where the server documents them all that it knows. */
export const settableKeys: Lookup = async (asked) => {
  const path = objectOf(asked);
  const known = path.length === 0 || ['instances', 'profiles', 'projects'].includes(path[0] ?? '');
  const all = await Promise.all([keys(asked), known && asked.known.device === undefined ? documented(asked) : []]);
  return all.flat();
};

const keys: Lookup = async (asked) => {
  const { value } = await asked.client.get<Configured>(objectOf(asked));
  const { device } = asked.known;
  return Object.keys(device === undefined ? (value.config ?? value.properties ?? {}) : (value.devices?.[device] ?? {}));
};

const devices: Lookup = async (asked) => {
  const { instance, profile } = asked.known;
  const owner = instance === undefined ? ['profiles', profile ?? ''] : ['instances', instance];
  const { value } = await asked.client.get<Configured>(owner);
  return Object.keys(value.devices ?? {});
};

const drivers: Lookup = async ({ client }) => {
  const { value } = await client.get<{ environment?: { storage_supported_drivers?: { Name: string }[] } }>([]);
  return (value.environment?.storage_supported_drivers ?? []).map(({ Name: name }) => name);
};

const fixed =
  (...words: string[]): Lookup =>
  async () =>
    words;

/** How to find what may stand for an argument, by its name in the usage line. */
export const lookups: Readonly<Record<string, Lookup>> = {
  instance: all('instances'),
  source: all('instances'),
  image: all('images', 'aliases'),
  profile: all('profiles'),
  profiles: all('profiles'),
  project: all('projects'),
  network: all('networks'),
  target_network: all('networks'),
  ACL: all('network-acls'),
  Zone: all('network-zones'),
  zone: all('network-zones'),
  pool: all('storage-pools'),
  driver: drivers,
  operation: all('operations'),
  'warning-uuid': all('warnings'),
  member: all('cluster', 'members'),
  'cluster member': all('cluster', 'members'),
  group: all('cluster', 'groups'),
  volume: volumes,
  'old name': volumes,
  snapshot: snapshots,
  'old snapshot name': snapshots,
  bucket: below(({ pool }) => ['storage-pools', pool, 'buckets']),
  listen_address: (asked) =>
    below(({ network }) => ['networks', network, asked.path[2] === 'forward' ? 'forwards' : 'load-balancers'])(asked),
  peer_name: below(({ network }) => ['networks', network, 'peers']),
  'peer name': below(({ network }) => ['networks', network, 'peers']),
  record: below(({ zone }) => ['network-zones', zone, 'records']),
  template: async ({ client, known: { instance = '' } }) =>
    (await client.get<string[]>(['instances', instance, 'metadata', 'templates'])).value,
  key: async (asked) => {
    if (asked.path[2] !== 'bucket' || asked.path[3] !== 'key') return keys(asked);
    return below(({ pool, bucket }) => ['storage-pools', pool, 'buckets', bucket, 'keys'])(asked);
  },
  device: devices,
  'device name': devices,
  name: async (asked) => (asked.path[2] === 'device' ? devices(asked) : []),
  direction: fixed('egress', 'ingress'),
  protocol: fixed('tcp', 'udp'),
  'role[,role...]': fixed('database', 'database-client', 'event-hub', 'ovn-chassis'),
};

/** What may stand behind a flag, by its name. */
export const flagLookups: Readonly<Record<string, Lookup>> = {
  storage: all('storage-pools'),
  profile: all('profiles'),
  network: all('networks'),
  target: all('cluster', 'members'),
  'destination-target': all('cluster', 'members'),
  project: all('projects'),
  projects: all('projects'),
  'target-project': all('projects'),
  mode: fixed('pull', 'push', 'relay'),
};

/** `fingerprint` is that of an image behind `image alias create`, and that of a certificate elsewhere. */
export const fingerprints: Lookup = ({ client, path }) =>
  names(client, [path[1] === 'image' ? 'images' : 'certificates']);

/** What is on disk or in memory that no instance, snapshot or image of an LXD accounts for, and the other way round. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';

const instanceList = z.array(
  z.looseObject({
    name: z.string(),
    status: z.string(),
    snapshots: z.array(z.looseObject({ name: z.string() })).nullish(),
  }),
);
const imageList = z.array(z.looseObject({ fingerprint: z.string() }));
const volumeList = z.array(z.looseObject({ name: z.string(), type: z.string() }));
const urls = z.array(z.string());

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Compares two sets of names; a line for each that only one of them has. */
const compare = (kind: string, accounted: Iterable<string>, present: Iterable<string>): string[] => {
  const [wanted, found] = [new Set(accounted), new Set(present)];
  return [
    ...[...found].filter((name) => !wanted.has(name)).map((name) => `${kind} ${name} belongs to nothing`),
    ...[...wanted].filter((name) => !found.has(name)).map((name) => `${kind} ${name} is missing`),
  ];
};

/**
 * Everything that does not fit together in an LXD with a `dir` pool `default`, where no instance runs and nothing goes
 * on; as sentences, empty when all is well.
 */
export const orphans = async (lxd: Lxd): Promise<string[]> => {
  const pool = join(lxd.folder, 'storage-pools/default');
  const instances = instanceList.parse(await lxd.api('GET', '/1.0/instances?recursion=2'));
  const images = imageList.parse(await lxd.api('GET', '/1.0/images?recursion=1'));
  const volumes = volumeList.parse(await lxd.api('GET', '/1.0/storage-pools/default/volumes?recursion=1'));
  const names = instances.map((one) => one.name);
  const snapshots = instances.flatMap((one) =>
    (one.snapshots ?? []).map(({ name }) => `${one.name}/${name.split('/').at(-1) ?? name}`),
  );
  const snapshotFolders = namesIn(join(pool, 'containers-snapshots')).flatMap((name) =>
    namesIn(join(pool, 'containers-snapshots', name)).map((snapshot) => `${name}/${snapshot}`),
  );
  const mounts = readFileSync(`/proc/${lxd.pid()}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${lxd.folder}/storage-pools/default/`));
  const operations = z.record(z.string(), urls).parse(await lxd.api('GET', '/1.0/operations'));
  return [
    ...instances.filter((one) => one.status !== 'Stopped').map((one) => `instance ${one.name} is ${one.status}`),
    ...compare('folder of instance', names, namesIn(join(pool, 'containers'))),
    // Only some LXDs keep links beside the pools; those that do tidy up.
    ...namesIn(join(lxd.folder, 'containers'))
      .filter((name) => !names.includes(name))
      .map((name) => `link ${name} belongs to nothing`),
    ...compare('folder of snapshot', snapshots, snapshotFolders),
    ...compare(
      'volume of',
      [...names, ...snapshots],
      volumes.filter((one) => one.type === 'container').map((one) => one.name),
    ),
    ...compare(
      'file of image',
      images.map((one) => one.fingerprint),
      namesIn(join(lxd.folder, 'images')).map((name) => name.replace(/\.(?:rootfs|tar)$/, '')),
    ),
    ...mounts.map((point) => `mount ${point} is left`),
    ...namesIn(join(lxd.folder, 'backups/instances')).map((name) => `backup file ${name} is left`),
    ...(operations['running'] ?? []).map((url) => `operation ${url} runs`),
  ];
};

/** What does not fit together between the records of custom volumes and what the host has of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Lxd } from '../support/lxd.ts';
import { compare } from './moments.ts';

const volumeList = z.array(z.looseObject({ name: z.string(), config: z.record(z.string(), z.string()) }));
const urls = z.array(z.string());

/** The URL of the custom volumes of a pool. */
export const volumesUrl = (pool: string): string => `/1.0/storage-pools/${pool}/volumes/custom`;

/** A path of the daemon, in its mount namespace. */
export const insideDaemon = (lxd: Lxd, path: string): string => join(`/proc/${lxd.pid()}/root`, lxd.folder, path);

/** The names in a folder of the daemon; none when it is not there. */
export const namesInside = (lxd: Lxd, folder: string): string[] => {
  const path = insideDaemon(lxd, folder);
  return existsSync(path) ? readdirSync(path) : [];
};

/** The records of a pool's custom volumes and their snapshots, `<volume>/<snapshot>`. */
export const listVolumes = async (lxd: Lxd, pool: string) =>
  volumeList.parse(await lxd.api('GET', `${volumesUrl(pool)}?recursion=1`));

/** Mounts of volumes of a kind that the daemon has; these pools mount none. */
export const mountFaults = (lxd: Lxd, kind: string): string[] =>
  readFileSync(`/proc/${lxd.pid()}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${lxd.folder}/storage-pools/`) && point.includes(`/${kind}`))
    .map((point) => `mount ${point} is left`);

/** Loop devices on files of this LXD other than those that hold a pool, one each. */
export const loopFaults = (lxd: Lxd, pools: readonly string[]): string[] => {
  const backing = readdirSync('/sys/block')
    .map((name) => `/sys/block/${name}/loop/backing_file`)
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8').trim())
    .filter((file) => file.includes(lxd.folder))
    .map((file) => file.slice(file.indexOf(lxd.folder) + lxd.folder.length + 1));
  const twice = backing.filter((file, at) => backing.indexOf(file) !== at);
  return [
    ...compare(
      'loop device of',
      pools.map((pool) => `disks/${pool}.img`),
      backing,
    ),
    ...twice.map((file) => `${file} has two loop devices`),
  ];
};

/** Everything that does not fit together, as sentences. */
export const volumeFaults = async (lxd: Lxd, pools: readonly string[]): Promise<string[]> => {
  const all = await Promise.all(
    pools.map(async (pool) => {
      const rows = await listVolumes(lxd, pool);
      const names = rows.map(({ name }) => name);
      const isSnapshot = (name: string): boolean => name.includes('/');
      const volumes = names.filter((name) => !isSnapshot(name));
      const root = `storage-pools/${pool}`;
      const saved = namesInside(lxd, `${root}/custom-snapshots`).flatMap((volume) =>
        namesInside(lxd, `${root}/custom-snapshots/${volume}`).map((snapshot) => `${volume}/${snapshot}`),
      );
      const kept = await Promise.all(
        volumes.map(async (name) =>
          urls
            .parse(await lxd.api('GET', `${volumesUrl(pool)}/${name}/backups`))
            .map((url) => `default_${name}/${url.split('/').at(-1)}`),
        ),
      );
      const files = namesInside(lxd, `backups/custom/${pool}`).flatMap((volume) =>
        namesInside(lxd, `backups/custom/${pool}/${volume}`).map((file) => `${volume}/${file}`),
      );
      const disk = (name: string): string => `default_${name}`;
      return [
        ...compare(`${pool}: folder`, volumes.map(disk), namesInside(lxd, `${root}/custom`)),
        ...compare(`${pool}: snapshot`, names.filter(isSnapshot).map(disk), saved),
        ...compare(`${pool}: backup`, kept.flat(), files),
        ...namesInside(lxd, `${root}/.incomplete`).map((name) => `${pool}: ${name} is left half made`),
        ...rows
          .filter(({ config }) => Object.keys(config).some((key) => key.startsWith('volatile.')))
          .map(({ name, config }) => `${pool}: ${name} has ${JSON.stringify(config)}`),
      ];
    }),
  );
  return [
    ...all.flat(),
    ...mountFaults(lxd, 'custom'),
    ...namesInside(lxd, 'backups')
      .filter((name) => name.startsWith('upload-'))
      .map((name) => `${name} is left`),
  ];
};

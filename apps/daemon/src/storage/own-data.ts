/**
 * Custom volumes that hold the server's own data (spec 05.92–05.94): `storage.backups_volume` and `storage.images_volume`. Where one is set,
 * `<LXD_DIR>/backups` or `<LXD_DIR>/images` is a symlink to the volume. The link tells where the data is, the setting where it should be: a
 * move copies first, changes the link in one step and removes the original then. `<folder>.next` leads meanwhile to the place that counts for
 * nothing, the unfinished copy or the original, so that the next start can finish or undo it.
 */
import { chmod, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  badRequest,
  type Config,
  copyTree,
  exchangeDirectories,
  isKind,
  LxdError,
  type MountedVolume,
} from '@lxd-ts/driver-kit';
import { isErrno, run } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { Directories } from '../core/directories.ts';
import { listing } from '../core/listing.ts';
import type { Locks } from '../core/locks.ts';
import type { Settings } from '../server/settings.ts';
import { type VolumeName, volumeLock } from './volume-name.ts';
import type { VolumeStore } from './volume-store.ts';
import type { CustomVolumes } from './volumes.ts';

export interface OwnData extends AsyncDisposable {
  /** Mounts the volumes at start, and finishes or undoes moves that a crash cut short. Failures are logged. */
  open(): Promise<void>;
  /** Unmounts the volumes. */
  [Symbol.asyncDispose](): Promise<void>;
}

interface Parts {
  readonly settings: Settings;
  readonly directories: Pick<Directories, 'backups' | 'images'>;
  readonly volumes: Pick<CustomVolumes, 'locate'>;
  readonly store: VolumeStore;
  readonly locks: Locks;
  readonly log: Logger;
}

const keys = { 'storage.backups_volume': 'backups', 'storage.images_volume': 'images' } as const;
type Key = keyof typeof keys;
const allKeys: readonly Key[] = ['storage.backups_volume', 'storage.images_volume'];

/** The volume that a setting names; undefined: none. */
const namedBy = (config: Config, key: Key): VolumeName | undefined => {
  const [pool, name] = (config[key] ?? '').split('/');
  return pool && name ? { pool, project: 'default', name } : undefined;
};

/** Whether the server keeps its own data in a volume. */
export const holdsOwnData =
  (settings: Pick<Settings, 'all'>) =>
  (volume: VolumeName): boolean =>
    allKeys.some((key) => {
      const named = namedBy(settings.all(), key);
      return named !== undefined && volumeLock(named) === volumeLock(volume);
    });

/** Where a symlink leads; undefined: it is a directory, or not there. */
const linkOf = async (path: string): Promise<string | undefined> => {
  try {
    return await readlink(path);
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ENOENT')) return undefined;
    throw error;
  }
};

/** What a new file system has at its top is nobody's data. */
const contentsOf = async (path: string): Promise<string[]> =>
  (await readdir(path)).filter((name) => name !== 'lost+found');

const empty = async (path: string): Promise<void> => {
  for (const name of await listing(path))
    if (name !== 'lost+found') await rm(join(path, name), { recursive: true, force: true });
};

export const createOwnData = ({ settings, directories, volumes, store, locks, log }: Parts): OwnData => {
  /** The volumes in use, held mounted. */
  const held = new Map<Key, { readonly label: string; readonly mounted: MountedVolume }>();

  const check = async (key: Key, config: Config, name: VolumeName): Promise<void> => {
    const label = `${name.pool}/${name.name}`;
    const refuse = (why: string): never => {
      throw badRequest(`Failed validation of "${key}": ${why}`);
    };
    if (allKeys.some((other) => other !== key && config[other] === label))
      refuse(`Storage volume "${label}" is used for other data of the server`);
    try {
      const { open, row, volume } = await volumes.locate(name);
      if (row.content !== 'filesystem')
        refuse(`Storage volume "${label}" in "default" project is not filesystem content type`);
      if ((await store.snapshots(row.id)).length > 0)
        refuse('Storage volumes for use by LXD itself cannot have snapshots');
      await using here = await open.storage.mountVolume(volume);
      if ((await contentsOf(here.path)).length > 0) refuse(`Storage volume "${label}" isn't empty`);
    } catch (error) {
      if (!isKind(error, 'not-found') && !isKind(error, 'unavailable')) throw error;
      throw new LxdError(
        'bad-request',
        `Failed validation of "${key}": Failed loading storage volume "${label}" in "default" project: ${error.message}`,
        { cause: error },
      );
    }
  };

  /** Mounts the volume that a link leads to, should there be one: a crash may have left it so. */
  const mountBehind = async (link: string | undefined): Promise<AsyncDisposable | undefined> => {
    const [, pool = '', name = ''] = /\/([^/]+)\/custom\/default_([^/]+)$/.exec(link ?? '') ?? [];
    const row = await store.find(pool, 'default', 'custom', name);
    if (!row) return undefined;
    const { open, volume } = await volumes.locate(row);
    return open.storage.mountVolume(volume);
  };

  /** Removes what lies, or what a link leads to, where a move puts the place that the data is not at: a half copy, or the original. */
  const removeAside = async (aside: string): Promise<void> => {
    const link = await linkOf(aside);
    if (link !== undefined) {
      await using _behind = await mountBehind(link);
      await empty(link);
    }
    await rm(aside, { recursive: true, force: true });
  };

  /** Moves data to where it should be. @param next - the volume; undefined: a directory */
  const move = async (path: string, from: string | undefined, next: MountedVolume | undefined): Promise<void> => {
    const aside = `${path}.next`;
    if (next) await symlink(next.path, aside);
    else await mkdir(aside, { mode: 0o700 });
    await copyTree(from ?? path, next?.path ?? aside, { refresh: true });
    await chmod(next?.path ?? aside, 0o700);
    await exchangeDirectories(aside, path);
    // What came to the old place while it was copied.
    await run(['cp', '--archive', '--update', `${aside}/.`, path]);
    await removeAside(aside);
  };

  /** Makes the data of a key be where a configuration says. Does nothing where it is there. */
  const settle = async (key: Key, config: Config): Promise<void> => {
    const path = directories[keys[key]];
    await removeAside(`${path}.next`);
    const name = namedBy(config, key);
    using _lock = name && (await locks.hold(volumeLock(name), 'keep data of the server'));
    const located = name && (await volumes.locate(name));
    const next = located && (await located.open.storage.mountVolume(located.volume));
    const before = held.get(key);
    const from = await linkOf(path);
    if (from !== next?.path) {
      await using _behind = await mountBehind(from);
      await move(path, from, next);
    }
    if (name && next) held.set(key, { label: volumeLock(name), mounted: next });
    else held.delete(key);
    await before?.mounted[Symbol.asyncDispose]();
  };

  settings.onChange(allKeys, async (config, changed) => {
    const own = allKeys.filter((key) => changed.includes(key));
    for (const key of own) {
      const name = namedBy(config, key);
      // Where the data is already, the change is being taken back.
      if (name && held.get(key)?.label !== volumeLock(name)) await check(key, config, name);
    }
    for (const key of own) await settle(key, config);
  });

  return {
    async open() {
      for (const key of allKeys) {
        try {
          await settle(key, settings.all());
        } catch (error) {
          if (!isKind(error) && !isErrno(error, 'ENOENT')) throw error;
          log.error({ err: error, key }, 'The volume with data of the server is not there');
        }
      }
    },

    async [Symbol.asyncDispose]() {
      const mounted = [...held.values()].map((one) => one.mounted);
      held.clear();
      await Promise.all(mounted.map((one) => one[Symbol.asyncDispose]()));
    },
  };
};

/** Layers: directories that overlayfs puts on top of each other. One is written to by its only owner, or frozen and shared. */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { copyTree, type Work } from '@lxd-ts/driver-kit';
import { getXattr, listXattrs, removeTree, setXattr } from '@lxd-ts/host';

export interface Layers {
  /** Makes an empty layer whose top directory is like that of another one, or has the mode given. Returns its id. */
  make(like: string | number): Promise<string>;
  /** Makes a layer of a directory with everything in it; of another layer it takes what overlayfs noted there too. */
  copyOf(directory: string, work?: Work): Promise<string>;
  remove(id: string): Promise<void>;
  pathOf(id: string): string;
  /** A layer with nothing in it, for the bottom: overlayfs wants one below. */
  readonly empty: string;
  ids(): Promise<string[]>;
}

/** Owner, mode and extended attributes of a directory, without what overlayfs keeps there for itself. */
const copyAttributes = async (from: string, to: string): Promise<void> => {
  const { mode, uid, gid } = await stat(from);
  await chown(to, uid, gid);
  await chmod(to, mode & 0o7777);
  for (const name of listXattrs(from).filter((each) => !each.startsWith('trusted.overlay.'))) {
    const value = getXattr(from, name);
    if (value) setXattr(to, name, value);
  }
};

/** The layers below a directory, which is made when missing. */
export const openLayers = async (directory: string): Promise<Layers> => {
  const empty = 'empty';
  const pathOf = (id: string): string => join(directory, id);
  const newId = (): string => randomBytes(6).toString('hex');
  await mkdir(pathOf(empty), { recursive: true, mode: 0o700 });
  return {
    empty,
    pathOf,
    async make(like) {
      const id = newId();
      await mkdir(pathOf(id));
      if (typeof like === 'number') await chmod(pathOf(id), like);
      else await copyAttributes(pathOf(like), pathOf(id));
      return id;
    },
    async copyOf(source, work) {
      const id = newId();
      try {
        await copyTree(source, pathOf(id), { ...work, allowInconsistent: true });
      } catch (error) {
        await removeTree(pathOf(id));
        throw error;
      }
      return id;
    },
    remove: (id) => removeTree(pathOf(id)),
    ids: async () => (await readdir(directory)).filter((id) => id !== empty),
  };
};

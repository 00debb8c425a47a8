import { deviceSize } from '@lxd-ts/driver-kit';
import { activate } from './activation.ts';
import type { Group } from './group.ts';

/** Bytes that a snapshot copies at a time (lvcreate(8), --chunksize), and those that say which. */
const [chunk, exception] = [4096, 16];

/**
 * The bytes with which a thick snapshot can keep all of its volume: its chunks, and the tables that tell where each is
 * (linux/drivers/md/dm-snap-persistent.c). LVM's own `100%ORIGIN` is an upper limit only: with less room it makes a smaller one.
 */
export const wholeSnapshotSize = async (group: Group, name: string): Promise<number> => {
  const chunks = Math.ceil((await deviceSize(await activate(group, name))) / chunk);
  const tables = Math.ceil(chunks / (chunk / exception));
  return (chunks + tables + 2) * chunk;
};

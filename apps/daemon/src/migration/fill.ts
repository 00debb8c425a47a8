import type { MountedVolume, Volume } from '@lxd-ts/driver-kit';
import { commonBase, type Located } from '../storage/copy-across.ts';
import type { MigrationHeader, SentSnapshot } from './messages.ts';
import type { Arrival } from './receive.ts';

/**
 * Receives states in the driver's own format, one with each call: each builds on the one before.
 *
 * @returns what receives a snapshot, or (undefined) the volume as it is
 */
export const receiveStates = (
  { open: { storage }, volume }: Located,
  { stream, signal, ...arrival }: Arrival,
): ((snapshot: string | undefined) => Promise<void>) => {
  let { base } = arrival;
  return async (snapshot) => {
    const state = snapshot === undefined ? volume : { ...volume, snapshot };
    await stream(async (from) => storage.receive?.(state, base, from, { signal }));
    base = snapshot;
  };
};

/**
 * How what is wanted is to come, for the answer to what is offered: in the driver's own format if both sides have it and, with a copy
 * that is there already, a snapshot in common.
 *
 * @param copy - undefined: it is going to be made
 */
export const chooseFormat = async (
  open: Located['open'],
  copy: Volume | undefined,
  offer: MigrationHeader,
  wanted: readonly SentSnapshot[],
): Promise<{ readonly format?: string; readonly base?: string }> => {
  const { name, features } = open.driver;
  if (!features.optimizedTransfer || !offer.formats.includes(name)) return {};
  if (copy === undefined) return { format: name };
  const base = await commonBase({ open, volume: copy }, offer.bases, offer.snapshots, wanted);
  return base === undefined ? {} : { format: name, base };
};

/**
 * Fills a new volume, and takes its snapshots on the way.
 *
 * @param finish - mends each state before it counts: that of a snapshot, or (undefined) the volume's. Not called for what comes in a
 *   driver's own format
 */
export const fillVolume = async (
  { open, volume }: Located,
  snapshots: readonly SentSnapshot[],
  arrival: Arrival,
  finish: (path: string, snapshot: SentSnapshot | undefined) => Promise<void> = async () => undefined,
): Promise<void> => {
  const states = [...snapshots, undefined];
  if (arrival.format !== undefined) {
    const take = receiveStates({ open, volume }, arrival);
    for (const snapshot of states) await take(snapshot?.name);
    return;
  }
  const { receive, signal } = arrival;
  const { storage } = open;
  for (const [at, snapshot] of states.entries()) {
    const take = async (mounted: MountedVolume): Promise<void> => {
      await receive(mounted);
      await finish(mounted.path, snapshot);
    };
    if (at === 0) await storage.createVolume(volume, take, { signal });
    else {
      await using mounted = await storage.mountVolume(volume);
      await take(mounted);
    }
    if (snapshot !== undefined) await storage.createSnapshot({ ...volume, snapshot: snapshot.name }, { signal });
  }
};

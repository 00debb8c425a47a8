import type { MountedVolume } from '@lxd-ts/driver-kit';
import type { Located } from '../storage/copy-across.ts';
import type { SentSnapshot } from './messages.ts';
import type { Arrival } from './receive.ts';

/**
 * Fills a new volume, and takes its snapshots on the way.
 *
 * @param finish - mends each state before it counts: that of a snapshot, or (undefined) the volume's. Not called for what comes in a
 *   driver's own format
 */
export const fillVolume = async (
  { open: { storage }, volume }: Located,
  snapshots: readonly SentSnapshot[],
  { receive, stream, format, signal }: Arrival,
  finish: (path: string, snapshot: SentSnapshot | undefined) => Promise<void> = async () => undefined,
): Promise<void> => {
  const states = [...snapshots, undefined];
  if (format !== undefined) {
    for (const [at, snapshot] of states.entries()) {
      const state = snapshot === undefined ? volume : { ...volume, snapshot: snapshot.name };
      await stream(async (from) => storage.receive?.(state, snapshots[at - 1]?.name, from, { signal }));
    }
    return;
  }
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

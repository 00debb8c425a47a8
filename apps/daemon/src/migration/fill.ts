import type { Located } from '../storage/copy-across.ts';
import type { SentSnapshot } from './messages.ts';
import type { Arrival } from './receive.ts';

/**
 * Fills a new volume, and takes its snapshots on the way.
 *
 * @param finish - mends each state before it counts; not called for what comes in a driver's own format
 */
export const fillVolume = async (
  { open: { storage }, volume }: Located,
  snapshots: readonly SentSnapshot[],
  { receive, stream, format, signal }: Arrival,
  finish: (path: string) => Promise<void> = async () => undefined,
): Promise<void> => {
  if (format !== undefined) {
    for (const [at, snapshot] of [...snapshots.map(({ name }) => name), undefined].entries()) {
      const state = snapshot === undefined ? volume : { ...volume, snapshot };
      await stream(async (from) => storage.receive?.(state, snapshots[at - 1]?.name, from, { signal }));
    }
    return;
  }
  const take = async (path: string): Promise<void> => {
    await receive(path);
    await finish(path);
  };
  const keep = async (at: number): Promise<void> => {
    const snapshot = snapshots[at]?.name;
    if (snapshot !== undefined) await storage.createSnapshot({ ...volume, snapshot }, { signal });
  };
  await storage.createVolume(volume, ({ path }) => take(path), { signal });
  await keep(0);
  for (const at of snapshots.keys()) {
    await using mounted = await storage.mountVolume(volume);
    await take(mounted.path);
    await keep(at + 1);
  }
};

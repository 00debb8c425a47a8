import { imageUrl } from '@lxd-ts/api';
import { badRequest, type LxdError, messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { every } from '../core/every.ts';
import type { Events } from '../events/bus.ts';
import type { ImageAliases } from './aliases.ts';
import type { ImageFetch } from './fetch.ts';
import type { ImageVolumes } from './pool-volumes.ts';
import type { Download } from './remote.ts';
import type { ImageService } from './service.ts';
import type { Image } from './store.ts';

interface Parts {
  readonly images: ImageService;
  readonly aliases: ImageAliases;
  readonly fetch: ImageFetch;
  readonly volumes: Pick<ImageVolumes, 'list' | 'removeFrom'>;
  readonly events: Events;
  readonly log: Logger;
  /** A server or project key that applies to images of a project. */
  readonly setting: (project: string, key: string) => Promise<string | undefined>;
}

const hourMs = 3_600_000;

/** Keeps images that came from other servers up to date, and drops those that nobody used for long. */
export const createImageRefresh = ({ images, aliases, fetch, volumes, events, log, setting }: Parts) => {
  /**
   * Replaces an image by a newer one from where it came (spec 04.50): fetch, move the aliases, delete the old one. Cut short
   * at any point, the next run finishes it.
   *
   * @returns whether there was a newer one
   */
  const refresh = async (image: Image, download: Download = {}): Promise<boolean> => {
    const failed = (why: string, cause?: unknown): LxdError =>
      badRequest(`Failed to update image "${image.fingerprint}" in project "${image.project}": ${why}`, { cause });
    const { origin, project, type } = image;
    if (!origin || origin.protocol === 'direct') throw failed('Image source not found');
    const source = { ...origin, protocol: origin.protocol, fingerprint: '', secret: '', project: '', type };
    let newer: Image;
    try {
      if ((await fetch.find(source, download.signal)).fingerprint === image.fingerprint) return false;
      const { public: isPublic, autoUpdate, cached, profiles } = image;
      const record = { project, public: isPublic, autoUpdate, cached, profiles, properties: {}, aliases: [] };
      newer = await fetch.fromServer(source, record, download);
    } catch (error) {
      download.signal?.throwIfAborted();
      throw failed(messageOf(error), error);
    }
    if (newer.id === image.id) return false;
    for (const alias of await aliases.list(project)) {
      if (alias.target === image.fingerprint)
        await aliases.update(alias, { description: alias.description, target: newer });
    }
    if (image.lastUsedAt) await images.markUsed(project, newer.fingerprint);
    await images.delete(image);
    events.lifecycle('image-refreshed', imageUrl(newer.fingerprint), project);
    return true;
  };

  const settled = async (
    what: string,
    { fingerprint, project }: Pick<Image, 'fingerprint' | 'project'>,
    work: () => Promise<unknown>,
  ): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.warn({ err: error, image: fingerprint, project }, what);
    }
  };

  /** After how much disuse what is cached of a project's images goes, in milliseconds. */
  const patience = async (project: string): Promise<number> => {
    const days = Number((await setting(project, 'images.remote_cache_expiry')) ?? 10);
    return days > 0 ? days * 24 * hourMs : Number.POSITIVE_INFINITY;
  };

  /** Updates all images whose project's interval has passed. @param hours - whole hours since the daemon started */
  const refreshDue = async (hours: number, signal: AbortSignal): Promise<void> => {
    for (const image of await images.all()) {
      signal.throwIfAborted();
      if (!image.autoUpdate || !image.origin) continue;
      const interval = Number((await setting(image.project, 'images.auto_update_interval')) ?? 6);
      if (interval <= 0 || hours % interval !== 0) continue;
      await settled('Could not update the image', image, () => refresh(image, { signal }));
    }
  };

  /** Deletes cached images that expired or were not used for `images.remote_cache_expiry` days (spec 04.39, 04.40). */
  const dropExpired = async (now = new Date()): Promise<void> => {
    for (const image of await images.all()) {
      if (!image.cached) continue;
      const idle = now.getTime() - (image.lastUsedAt ?? image.uploadedAt).getTime();
      const isUnused = idle > (await patience(image.project));
      const isExpired = image.expiresAt !== undefined && image.expiresAt < now;
      if (isUnused || isExpired) await settled('Could not drop the cached image', image, () => images.delete(image));
    }
  };

  /** Deletes the volumes of images that no instance was made of for as long (spec 05.56): the next one has the image unpacked anew. */
  const dropUnpacked = async (now = new Date()): Promise<void> => {
    const uses = new Map<string, number>();
    for (const { fingerprint, lastUsedAt } of await images.all())
      uses.set(fingerprint, Math.max(uses.get(fingerprint) ?? 0, lastUsedAt?.getTime() ?? 0));
    for (const { pool, project, name: fingerprint, createdAt } of await volumes.list()) {
      const idle = now.getTime() - Math.max(createdAt.getTime(), uses.get(fingerprint) ?? 0);
      if (idle <= (await patience(project))) continue;
      await settled('Could not drop the unpacked image', { fingerprint, project }, () =>
        volumes.removeFrom(pool, fingerprint),
      );
    }
  };

  return {
    refresh,
    refreshDue,
    dropExpired,
    dropUnpacked,

    /** Begins the checks, now and every hour. Disposing ends them. */
    start(): AsyncDisposable {
      const stopping = new AbortController();
      let hours = 0;
      const check = async (): Promise<void> => {
        await dropExpired();
        await dropUnpacked();
        await refreshDue(hours++, stopping.signal);
      };
      const checks = every(hourMs, 'look after the images', check, log);
      return {
        [Symbol.asyncDispose]() {
          stopping.abort(new Error('The daemon stops'));
          return Promise.resolve(checks[Symbol.asyncDispose]());
        },
      };
    },
  };
};

export type ImageRefresh = ReturnType<typeof createImageRefresh>;

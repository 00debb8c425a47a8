import { epochTime, formatTime, isUnsetTime, parseTime, zeroTime } from '@lxd-ts/api';
import type { Alias, Image } from './store.ts';

/** An image on the wire. */
export const renderImage = (image: Image) => ({
  auto_update: image.autoUpdate,
  properties: image.properties,
  public: image.public,
  expires_at: image.expiresAt ? formatTime(image.expiresAt) : epochTime,
  profiles: image.profiles,
  aliases: image.aliases,
  architecture: image.architecture,
  cached: image.cached,
  filename: image.filename,
  fingerprint: image.fingerprint,
  size: image.size,
  ...(image.origin ? { update_source: { ...image.origin, image_type: image.type } } : {}),
  type: image.type,
  created_at: image.createdAt ? formatTime(image.createdAt) : epochTime,
  last_used_at: image.lastUsedAt ? formatTime(image.lastUsedAt) : zeroTime,
  uploaded_at: formatTime(image.uploadedAt),
});

/** The part users may change, of which the ETag is made. */
export const editableImage = (image: Image) => {
  const { auto_update, properties, public: isPublic, expires_at, profiles } = renderImage(image);
  return { auto_update, properties, public: isPublic, expires_at, profiles };
};

export const renderAlias = ({ name, description, target, type }: Alias) => ({ description, target, name, type });

/** A time of the API as a date; the zero times mean none. */
export const dateOf = (time: string): Date | undefined => (isUnsetTime(time) ? undefined : parseTime(time));

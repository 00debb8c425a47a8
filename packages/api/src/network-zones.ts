import * as z from 'zod';
import { count, omittable, struct, text, textMap, texts } from './schema.ts';

export const networkZonePut = struct({ description: text, config: textMap });
export type NetworkZonePut = z.infer<typeof networkZonePut>;

export const networkZonesPost = struct({ ...networkZonePut.shape, name: text });
export type NetworkZonesPost = z.infer<typeof networkZonesPost>;

export const networkZone = struct({ ...networkZonePut.shape, name: text, used_by: texts });
export type NetworkZone = z.infer<typeof networkZone>;

/** `ttl` is in seconds and left out where the zone's default applies. */
export const networkZoneRecordEntry = struct({ type: text, ttl: omittable(count), value: text });
export type NetworkZoneRecordEntry = z.infer<typeof networkZoneRecordEntry>;

export const networkZoneRecordPut = struct({
  description: text,
  entries: z.array(networkZoneRecordEntry),
  config: textMap,
});
export type NetworkZoneRecordPut = z.infer<typeof networkZoneRecordPut>;

export const networkZoneRecordsPost = struct({ ...networkZoneRecordPut.shape, name: text });
export type NetworkZoneRecordsPost = z.infer<typeof networkZoneRecordsPost>;

export const networkZoneRecord = struct({ ...networkZoneRecordPut.shape, name: text });
export type NetworkZoneRecord = z.infer<typeof networkZoneRecord>;

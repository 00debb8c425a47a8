import type * as z from 'zod';
import { deviceMap, struct, text, textMap, texts } from './schema.ts';

export const profilePut = struct({ config: textMap, description: text, devices: deviceMap });
export type ProfilePut = z.infer<typeof profilePut>;

export const profilesPost = struct({ ...profilePut.shape, name: text });
export type ProfilesPost = z.infer<typeof profilesPost>;

/** A rename. */
export const profilePost = struct({ name: text });
export type ProfilePost = z.infer<typeof profilePost>;

export const profile = struct({ ...profilePut.shape, name: text, used_by: texts });
export type Profile = z.infer<typeof profile>;

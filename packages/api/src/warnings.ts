import type * as z from 'zod';
import { choice, integer, struct, text, time } from './schema.ts';

/** The states an operator can set; `resolved` is the server's alone (spec 09 EP-09). */
export const warningPut = struct({ status: choice('new', 'acknowledged') });
export type WarningPut = z.infer<typeof warningPut>;

export const warning = struct({
  status: text,
  uuid: text,
  location: text,
  project: text,
  type: text,
  count: integer,
  first_seen_at: time,
  last_seen_at: time,
  last_message: text,
  severity: text,
  entity_url: text,
});
export type Warning = z.infer<typeof warning>;

import * as z from 'zod';
import { operation } from './operations.ts';
import { anyMap, struct, text, textMap, time } from './schema.ts';

export * from './lifecycle-actions.ts';

/** The types of events (spec 09 EVT-02). */
export const eventTypes = ['logging', 'operation', 'lifecycle'] as const;
export type EventType = (typeof eventTypes)[number];

/** A frame of `GET /1.0/events` (spec 09 EVT-03); `metadata` is as the type says. */
export const event = struct({ type: text, timestamp: time, metadata: z.unknown(), location: text, project: text });
export type Event = z.infer<typeof event>;

/** `metadata` of a `logging` event (spec 09 EVT-04). */
export const eventLogging = struct({ message: text, level: text, context: textMap });
export type EventLogging = z.infer<typeof eventLogging>;

export const eventLifecycleRequestor = struct({ username: text, protocol: text, address: text });
export type EventLifecycleRequestor = z.infer<typeof eventLifecycleRequestor>;

/** `metadata` of a `lifecycle` event (spec 09 EVT-06); internal causes have no requestor. */
export const eventLifecycle = struct({
  action: text,
  source: text,
  context: anyMap.optional(),
  requestor: eventLifecycleRequestor.optional(),
});
export type EventLifecycle = z.infer<typeof eventLifecycle>;

/** `metadata` of an `operation` event (spec 09 EVT-05). */
export const eventOperation = operation;

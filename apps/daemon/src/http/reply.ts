import type { ServerResponse } from 'node:http';
import type { Operation } from '../operations/operation.ts';

/** What a route answers; `router.ts` turns it into a response. */
export type Reply =
  | {
      readonly kind: 'sync';
      readonly metadata: unknown;
      readonly editable?: unknown;
      readonly location?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'async'; readonly operation: Operation }
  | {
      readonly kind: 'text';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'stream'; readonly write: (response: ServerResponse) => Promise<void> };

/**
 * 200 with `metadata`.
 *
 * @param editable - the user-editable part of an object, of which the ETag is made
 * @param headers - further ones
 */
export const sync = (metadata: unknown, editable?: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  kind: 'sync',
  metadata,
  editable,
  headers,
});

/** 200 with nothing to say. */
export const done = (): Reply => ({ kind: 'sync', metadata: {} });

/** 201: a new object stands at `location`. */
export const created = (location: string): Reply => ({ kind: 'sync', metadata: null, location });

/** 202: an operation does the work. */
export const accepted = (operation: Operation): Reply => ({ kind: 'async', operation });

/** A bare body without an envelope. */
export const text = (body: string, headers?: Readonly<Record<string, string>>, status = 200): Reply =>
  headers ? { kind: 'text', status, body, headers } : { kind: 'text', status, body };

/** The route writes the response itself: files, exports. It sets status and headers before the first byte. */
export const stream = (write: (response: ServerResponse) => Promise<void>): Reply => ({ kind: 'stream', write });

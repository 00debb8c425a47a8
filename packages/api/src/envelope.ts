import * as z from 'zod';
import type { Operation } from './operations.ts';
import { integer, struct, text } from './schema.ts';
import { statusCodes, statusTexts } from './status.ts';

/** Every reply but raw files and streams (spec 09 §2), with its fields in the order of the wire. */
export const envelope = struct({
  type: z.enum(['sync', 'async', 'error']),
  status: text,
  status_code: integer,
  operation: text,
  error_code: integer,
  error: text,
  metadata: z.unknown(),
});

export interface SyncReply<Metadata> {
  readonly type: 'sync';
  readonly status: 'Success';
  readonly status_code: 200;
  readonly operation: '';
  readonly error_code: 0;
  readonly error: '';
  readonly metadata: Metadata;
}

export interface AsyncReply<Rendered = Operation> {
  readonly type: 'async';
  readonly status: 'Operation created';
  readonly status_code: 100;
  readonly operation: string;
  readonly error_code: 0;
  readonly error: '';
  readonly metadata: Rendered;
}

export interface ErrorReply {
  readonly type: 'error';
  readonly status: '';
  readonly status_code: 0;
  readonly operation: '';
  readonly error_code: number;
  readonly error: string;
  readonly metadata: null;
}

export type Reply<Metadata> = SyncReply<Metadata> | AsyncReply<unknown> | ErrorReply;

/** A finished request: HTTP 200, or 201 with a `Location` after a synchronous create or rename (spec 09 ENV-01). */
export const syncReply = <Metadata>(metadata: Metadata): SyncReply<Metadata> => ({
  type: 'sync',
  status: statusTexts[statusCodes.success],
  status_code: statusCodes.success,
  operation: '',
  error_code: 0,
  error: '',
  metadata,
});

/** Work under way: HTTP 202 with the operation's URL as `Location` (spec 09 ENV-02). */
export const asyncReply = <Rendered extends { readonly id: string }>(metadata: Rendered): AsyncReply<Rendered> => ({
  type: 'async',
  status: statusTexts[statusCodes.operationCreated],
  status_code: statusCodes.operationCreated,
  operation: `/1.0/operations/${metadata.id}`,
  error_code: 0,
  error: '',
  metadata,
});

/** A refused or failed request; `code` is the HTTP status as well (spec 09 ENV-03). */
export const errorReply = (code: number, error: string): ErrorReply => ({
  type: 'error',
  status: '',
  status_code: 0,
  operation: '',
  error_code: code,
  error,
  metadata: null,
});

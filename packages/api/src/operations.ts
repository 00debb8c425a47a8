import * as z from 'zod';
import { anyMap, choice, flag, integer, nullable, struct, text, texts, time } from './schema.ts';

/** `task`: plain work; `websocket`: streams opened with secrets; `token`: waits for someone to present a secret (spec 09 OPS-02). */
export const operationClasses = ['task', 'websocket', 'token'] as const;
export type OperationClass = (typeof operationClasses)[number];

/** A background operation (spec 09 OPS-01). */
export const operation = struct({
  id: text,
  class: choice(...operationClasses),
  description: text,
  created_at: time,
  updated_at: time,
  status: text,
  status_code: integer,
  resources: nullable(z.record(z.string(), texts)),
  metadata: nullable(anyMap),
  may_cancel: flag,
  err: text,
  location: text,
});
export type Operation = z.infer<typeof operation>;

/** `GET /1.0/operations`: URLs by lower-case status (spec 09 OPS-03). */
export const operationUrls = z.record(z.string(), texts);
export type OperationUrls = z.infer<typeof operationUrls>;

/** `GET /1.0/operations?recursion=1`: operations by lower-case status. */
export const operationsByStatus = z.record(z.string(), z.array(operation));
export type OperationsByStatus = z.infer<typeof operationsByStatus>;

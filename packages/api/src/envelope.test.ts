import { expect, it } from 'vitest';
import { asyncReply, envelope, errorReply, syncReply } from './envelope.ts';
import { operation } from './operations.ts';

it('[09.ENV-01] a sync reply is printed as the wire has it', () => {
  expect(JSON.stringify(syncReply(['/1.0']))).toBe(
    '{"type":"sync","status":"Success","status_code":200,"operation":"","error_code":0,"error":"","metadata":["/1.0"]}',
  );
});

it('[09.ENV-02] an async reply names its operation', () => {
  const reply = asyncReply(operation.parse({ id: 'u', class: 'task', status_code: 103, status: 'Running' }));
  expect(reply).toMatchObject({
    type: 'async',
    status: 'Operation created',
    status_code: 100,
    operation: '/1.0/operations/u',
  });
  expect(Object.keys(reply)).toEqual(Object.keys(envelope.shape));
});

it('[09.ENV-03] an error has its code and text', () => {
  expect(JSON.stringify(errorReply(404, 'not found'))).toBe(
    '{"type":"error","status":"","status_code":0,"operation":"","error_code":404,"error":"not found","metadata":null}',
  );
});

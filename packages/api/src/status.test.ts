import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isFinal, statusCodes, statusPair, statusTexts } from './status.ts';

it('[09.ENV-01 09.ENV-02] codes and texts are those of the published table', () => {
  const chapter = readFileSync(new URL('../../../docs/spec/09-rest-api-and-events.md', import.meta.url), 'utf8');
  const table = chapter.slice(chapter.indexOf('### Status codes'), chapter.indexOf('## 3.'));
  const published = [...table.matchAll(/\| (\d{3}) \| ([A-Za-z ]+?) (?=\|)/g)].map(([, code, text]) => [code, text]);
  expect(published).toHaveLength(17);
  expect(Object.fromEntries(published)).toEqual(statusTexts);
  expect(Object.values(statusCodes).map(String).sort()).toEqual(Object.keys(statusTexts).sort());
});

it('[09.OPS-01] a status is text and number together, final from 200 on', () => {
  expect(statusPair(statusCodes.running)).toEqual({ status: 'Running', status_code: 103 });
  expect([103, 200, 400, 401].map(isFinal)).toEqual([false, true, true, true]);
});

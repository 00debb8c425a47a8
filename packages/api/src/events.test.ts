import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { lifecycleActions } from './events.ts';

it('[09.EVT-06] every documented lifecycle action is listed, and the nine known from the wire', () => {
  const chapter = readFileSync(new URL('../../../docs/spec/09-rest-api-and-events.md', import.meta.url), 'utf8');
  const section = chapter.slice(chapter.indexOf('### Lifecycle actions'), chapter.indexOf('**[wire]** Nine more'));
  const documented = [...section.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, action]) => action);
  expect(documented).toHaveLength(108);
  const wire = ['network-load-balancer', 'storage-bucket', 'storage-bucket-key'].flatMap((kind) =>
    ['created', 'deleted', 'updated'].map((change) => `${kind}-${change}`),
  );
  expect([...lifecycleActions].sort()).toEqual([...documented, ...wire].sort());
  expect(new Set(lifecycleActions).size).toBe(117);
});

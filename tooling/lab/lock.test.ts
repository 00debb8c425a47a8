import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { expect, test } from 'vitest';
import { lockFile } from './lock.ts';

test('one holds a lock at a time, the next gets it afterwards, and one that was killed holds none', async () => {
  await using scratch = makeScratch();
  const path = join(scratch.folder, 'lock');
  const program = `const { lockFile } = await import(${JSON.stringify(join(import.meta.dirname, 'lock.ts'))});
    await lockFile(${JSON.stringify(path)}, () => undefined);
    console.log('held');
    setInterval(() => undefined, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(other.stdout, 'data');

  let waited = 0;
  const first = lockFile(path, () => {
    waited++;
    other.kill('SIGKILL');
  });
  const order: string[] = [];
  await using held = await first;
  order.push('first');
  expect(waited).toBe(1);
  const second = lockFile(path, () => undefined).then((lock) => {
    order.push('second');
    return lock;
  });
  order.push('first ends');
  await held[Symbol.asyncDispose]();
  await using _second = await second;
  expect(order).toEqual(['first', 'first ends', 'second']);
});

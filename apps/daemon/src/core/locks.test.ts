import { expect, test } from 'vitest';
import { createLocks } from './locks.ts';

const key = 'instance default/c1';

test('a second caller is refused, and told who is busy with what', async () => {
  const locks = createLocks();
  {
    using _lock = await locks.hold(key, 'start');
    await expect(locks.hold(key, 'stop')).rejects.toThrow(
      'The instance default/c1 is busy running a "start" operation',
    );
    expect(locks.holder(key)).toBe('start');
    using _other = await locks.hold('instance default/c2', 'stop');
  }
  expect(locks.holder(key)).toBeUndefined();
});

test('those who wait come one after the other', async () => {
  const locks = createLocks();
  let inside = 0;
  const most: number[] = [];
  const work = async (what: string): Promise<void> => {
    using _lock = await locks.wait(key, what);
    most.push(++inside);
    await new Promise(setImmediate);
    inside--;
  };
  await Promise.all(['a', 'b', 'c', 'd'].map(work));
  expect(most).toEqual([1, 1, 1, 1]);
});

test('who waits gives up when told to, and leaves the lock to others', async () => {
  const locks = createLocks();
  const first = await locks.hold(key, 'start');
  const stopping = new AbortController();
  const waiting = locks.wait(key, 'copy', stopping.signal);
  stopping.abort(new Error('enough'));
  first[Symbol.dispose]();
  await expect(waiting).rejects.toThrow('enough');
  using _lock = await locks.hold(key, 'stop');
});

test('what the daemon does of its own accord is waited for, also by those who would be refused', async () => {
  const locks = createLocks();
  const own = await locks.own(key, 'update devices');
  const done: string[] = [];
  const stop = locks.hold(key, 'stop').then((lock) => {
    done.push('stop');
    return lock;
  });
  await new Promise(setImmediate);
  done.push('devices');
  own[Symbol.dispose]();
  using _lock = await stop;
  expect(done).toEqual(['devices', 'stop']);
});

import { expect, it } from 'vitest';
import { type MountCounter, mountCounter } from './mount-counter.ts';

/** A counter over one thing that logs when it is mounted and unmounted, each taking a moment. */
const logged = (): { log: string[]; counter: MountCounter; acquire: () => Promise<AsyncDisposable> } => {
  const log: string[] = [];
  const counter = mountCounter();
  const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
  const mount = async (): Promise<AsyncDisposable> => {
    await moment();
    log.push('mount');
    return {
      [Symbol.asyncDispose]: async () => {
        await moment();
        log.push('unmount');
      },
    };
  };
  return { log, counter, acquire: () => counter.acquire('/a', mount) };
};

it('mounts once for many and unmounts with the last, however they overlap', async () => {
  const { log, counter, acquire } = logged();
  const users = await Promise.all([acquire(), acquire(), acquire()]);
  expect(log).toEqual(['mount']);
  await Promise.all([users[0]?.[Symbol.asyncDispose](), users[1]?.[Symbol.asyncDispose]()]);
  expect(counter.inUse('/a')).toBe(true);
  expect(log).toEqual(['mount']);
  const [late] = await Promise.all([acquire(), users[2]?.[Symbol.asyncDispose]()]);
  expect(log.length % 2).toBe(1);
  await late[Symbol.asyncDispose]();
  expect(counter.inUse('/a')).toBe(false);
  expect(log.at(-1)).toBe('unmount');
});

it('disposing twice counts once', async () => {
  const { log, acquire } = logged();
  const [one, two] = [await acquire(), await acquire()];
  await one[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  expect(log).toEqual(['mount']);
  await two[Symbol.asyncDispose]();
  expect(log).toEqual(['mount', 'unmount']);
});

it('a user who comes during the unmount gets a mount of their own', async () => {
  const { log, acquire } = logged();
  const one = await acquire();
  const going = one[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 1));
  const two = await acquire();
  await going;
  expect(log).toEqual(['mount', 'unmount', 'mount']);
  await two[Symbol.asyncDispose]();
  expect(log).toEqual(['mount', 'unmount', 'mount', 'unmount']);
});

it('a failing mount is told to all who wait, and tried again by the next', async () => {
  const counter = mountCounter();
  let tries = 0;
  const failing = async (): Promise<AsyncDisposable> => {
    tries++;
    throw new Error(`try ${tries}`);
  };
  const results = await Promise.allSettled([counter.acquire('/a', failing), counter.acquire('/a', failing)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(counter.inUse('/a')).toBe(false);
  await using mount = await counter.acquire('/a', async () => ({ [Symbol.asyncDispose]: async () => undefined }));
  expect(mount).toBeDefined();
  expect(tries).toBe(2);
});

it('after a failed unmount it is still mounted, and the next user finds it so', async () => {
  const counter = mountCounter();
  let mounts = 0;
  let busy = true;
  const mount = async (): Promise<AsyncDisposable> => {
    mounts++;
    return {
      [Symbol.asyncDispose]: async () => {
        if (busy) throw new Error('busy');
      },
    };
  };
  const one = await counter.acquire('/a', mount);
  await expect(one[Symbol.asyncDispose]()).rejects.toThrow('busy');
  const two = await counter.acquire('/a', mount);
  expect(mounts).toBe(1);
  busy = false;
  await two[Symbol.asyncDispose]();
  await (await counter.acquire('/a', mount))[Symbol.asyncDispose]();
  expect(mounts).toBe(2);
});

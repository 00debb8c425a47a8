import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createContainer, importBusybox, type TestContainer } from '../testing/containers.ts';
import { startTestDaemon, type TestDaemon } from '../testing/daemon.ts';

const folder = `/dev/lxd-ts-unix-${process.pid}`;
const node = (name: string): string => join(folder, name);
const makeNode = (name: string, type = 'c', major = '1', minor = '5'): void => {
  mkdirSync(folder, { recursive: true });
  execFileSync('mknod', [node(name), type, major, minor]);
};

let daemon: TestDaemon;
let c: TestContainer;
beforeAll(async () => {
  daemon = await startTestDaemon();
  await importBusybox(daemon);
  c = await createContainer(daemon, 'unix-1');
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await daemon[Symbol.asyncDispose]();
});

/** Type, numbers, permissions and owner of a node inside, ids as inside. */
const inside = async (path: string) => {
  const info = statSync(await c.path(path));
  const base = statSync(await c.path('/')).uid;
  return {
    char: info.isCharacterDevice(),
    number: `${info.rdev >> 8}:${info.rdev & 0xff}`,
    mode: (info.mode & 0o777).toString(8),
    uid: info.uid - base,
    gid: info.gid - base,
  };
};

test('[03.320 03.323] a device without a path, or whose host node is missing, is refused', async () => {
  await expect(c.patch({ bad: { type: 'unix-char' } })).rejects.toThrow(
    'Invalid devices: Device validation failed for "bad": Unix device entry is missing the required "source" or "path" property',
  );
  await c.patch({ missing: { type: 'unix-char', source: node('missing') } });
  await expect(c.start()).rejects.toThrow(
    `Failed to start device "missing": The required device path doesn't exist and the major and minor settings are not specified`,
  );
  await c.put({});
});

test('[03.319 03.321 03.322] a host device appears inside with numbers of the host and the ids asked for, hot-plugged too', async () => {
  makeNode('zero');
  await c.put({ zero: { type: 'unix-char', source: node('zero') } });
  await c.start();
  expect(await inside(node('zero'))).toEqual({ char: true, number: '1:5', mode: '660', uid: 0, gid: 0 });
  await c.patch({
    full: { type: 'unix-char', path: '/dev/other', major: '1', minor: '7', uid: '5', gid: '6', mode: '0604' },
  });
  expect(await inside('/dev/other')).toEqual({ char: true, number: '1:7', mode: '604', uid: 5, gid: 6 });
  const zeros = execFileSync('head', ['-c', '3', await c.path(node('zero'))]);
  expect(zeros).toEqual(Buffer.alloc(3));
  await expect(c.patch({ block: { type: 'unix-block', source: node('zero') } })).rejects.toThrow(
    'Failed to start device "block": Path specified is not a unix-block device',
  );
  expect(Object.keys((await c.get()).devices)).toEqual(['full', 'zero']);
  await c.put({});
  expect(existsSync(await c.path('/dev/other'))).toBe(false);
  await c.stop();
});

test('[03.323 03.324] a device that is not required comes and goes with its host node, also across daemon restarts', async () => {
  rmSync(folder, { recursive: true, force: true });
  await c.put({ late: { type: 'unix-char', source: node('deep/late'), path: '/dev/late', required: 'false' } });
  await c.start();
  const target = await c.path('/dev/late');
  expect(existsSync(target)).toBe(false);
  mkdirSync(node('deep'), { recursive: true });
  makeNode('deep/late');
  await vi.waitFor(() => expect(statSync(target).isCharacterDevice()).toBe(true));
  rmSync(folder, { recursive: true });
  await vi.waitFor(() => expect(existsSync(target)).toBe(false));

  await daemon.restart(async () => {
    mkdirSync(node('deep'), { recursive: true });
    makeNode('deep/late', 'c', '1', '7');
  });
  await vi.waitFor(async () => expect(await inside('/dev/late')).toMatchObject({ number: '1:7' }));
  rmSync(node('deep/late'));
  await vi.waitFor(() => expect(existsSync(target)).toBe(false));
  await c.stop();
  makeNode('deep/late');
  await c.start();
  expect(existsSync(await c.path('/dev/late'))).toBe(true);
  await c.stop();
});

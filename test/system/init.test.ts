/** The first pool: by the questions of `lxd init`, by its minimal set-up, and by a preseed. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Lxd, startLxd } from '../support/lxd.ts';
import { output } from '../support/output.ts';
import { underTest } from '../support/programs.ts';
import { converse } from '../support/terminal.ts';

const serverShape = z.object({
  environment: z.looseObject({
    storage: z.string(),
    storage_version: z.string(),
    storage_supported_drivers: z.array(z.object({ Name: z.string(), Version: z.string(), Remote: z.boolean() })),
  }),
});
const environmentOf = async (lxd: Lxd) => serverShape.parse(await lxd.api('GET', '/1.0')).environment;
const poolShape = z.array(z.looseObject({ name: z.string(), driver: z.string(), status: z.string() }));
const poolsOf = async (lxd: Lxd): Promise<string[]> =>
  poolShape
    .parse(await lxd.api('GET', '/1.0/storage-pools?recursion=1'))
    .map(({ name, driver, status }) => `${name} ${driver} ${status}`);
const profileShape = z.looseObject({ devices: z.record(z.string(), z.record(z.string(), z.string())) });
const rootOf = async (lxd: Lxd) => profileShape.parse(await lxd.api('GET', '/1.0/profiles/default')).devices['root'];

describe('by questions', () => {
  let lxd: Lxd;
  beforeAll(async () => {
    lxd = await startLxd(underTest);
    await lxd.stop();
    symlinkSync(
      fileURLToPath(new URL('../plugins/overlay-storage', import.meta.url)),
      join(lxd.folder, 'plugins/overlay'),
    );
    await lxd.start();
  });
  afterAll(() => lxd[Symbol.asyncDispose]());

  /** Answers the questions in turn; an empty answer takes the default. */
  const ask = (...answers: string[]) =>
    converse(lxd.namespace.inside([...underTest.lxd, 'init']), lxd.environment, answers);

  test('[01.47 01.50 05.3 05.7 05.8] the pool is made, and the default profile has its root disk there', async () => {
    const { said, code } = await ask('no', '', 'first', 'btrfs', '', '', '1', 'no', 'no', '', '', 'yes');
    expect(code, said).toBe(0);
    expect(await poolsOf(lxd)).toEqual(['first btrfs Created']);
    expect(await lxd.api('GET', '/1.0/storage-pools/first')).toMatchObject({ config: { size: '1GiB' } });
    expect(await rootOf(lxd)).toEqual({ path: '/', pool: 'first', type: 'disk' });
    // The preseed of the same, as asked for with the last answer.
    expect(said).toMatch(/^storage_pools:\n {2}- config:\n {6}size: 1GiB\n {4}description: ""\n {4}name: first\n/m);
  });

  test('it offers the drivers that are meant for it, and asks again when another is named', async () => {
    const supported = (await environmentOf(lxd)).storage_supported_drivers.map(({ Name }) => Name);
    expect(supported).toEqual(expect.arrayContaining(['btrfs', 'dir', 'overlay']));
    const { said } = await ask('no', 'yes', 'second', 'overlay');
    const offered = /storage backend to use \(([^)]*)\)/.exec(said)?.[1]?.split(', ') ?? [];
    expect(offered).toEqual(expect.arrayContaining(['btrfs', 'dir']));
    for (const name of ['overlay', 'cephfs', 'cephobject']) expect(offered).not.toContain(name);
    expect(said).toContain('Invalid value "overlay"');
    expect(await poolsOf(lxd)).toEqual(['first btrfs Created']);
  });

  test('[05.11] the server tells which drivers are in use and which there are, with their versions', async () => {
    await lxd.api('POST', '/1.0/storage-pools', { name: 'plain', driver: 'dir' });
    const { storage, storage_version, storage_supported_drivers } = await environmentOf(lxd);
    const used = storage.split(' | ');
    expect(used.toSorted()).toEqual(['btrfs', 'dir']);
    expect(storage_version.split(' | ')).toEqual(
      used.map((name) => storage_supported_drivers.find(({ Name }) => Name === name)?.Version),
    );
    expect(storage_supported_drivers).toContainEqual({ Name: 'dir', Version: '1', Remote: false });
  });
});

describe('without questions', () => {
  let lxd: Lxd;
  beforeAll(async () => {
    lxd = await startLxd(underTest);
  });
  afterAll(() => lxd[Symbol.asyncDispose]());

  const preseed = (content: object) =>
    output(lxd.namespace.inside([...underTest.lxd, 'init', '--preseed']), {
      env: lxd.environment,
      input: JSON.stringify(content),
    });

  test('[05.3 05.8 05.10] a preseed makes pools, and leaves the default profile as it is', async () => {
    const pools = [{ name: 'pre', driver: 'btrfs', config: { size: '256MiB' } }];
    expect(await preseed({ storage_pools: pools })).toMatchObject({ code: 0 });
    expect(await poolsOf(lxd)).toEqual(['pre btrfs Created']);
    expect(await rootOf(lxd)).toBeUndefined();
  });

  test('[05.10] a preseed that would change the driver of a pool fails, and what it did is undone', async () => {
    const pools = [
      { name: 'pre', driver: 'btrfs', description: 'changed', config: { size: '256MiB' } },
      { name: 'more', driver: 'dir' },
      { name: 'pre', driver: 'dir' },
    ];
    const { code, stderr } = await preseed({ config: { 'core.proxy_http': 'http://x' }, storage_pools: pools });
    expect(code).not.toBe(0);
    expect(stderr).toContain('driver');
    expect(await poolsOf(lxd)).toEqual(['pre btrfs Created']);
    expect(await lxd.api('GET', '/1.0/storage-pools/pre')).toMatchObject({ driver: 'btrfs', description: '' });
    expect(await lxd.api('GET', '/1.0')).toMatchObject({ config: {} });
  });

  test('[01.52 05.9] the minimal set-up uses the dir driver', async () => {
    await lxd.api('DELETE', '/1.0/storage-pools/pre');
    await lxd.admin(['init', '--minimal']);
    expect(await poolsOf(lxd)).toEqual(['default dir Created']);
    expect(await rootOf(lxd)).toMatchObject({ pool: 'default' });
  });
});

/**
 * The conformance suite of storage drivers. One call, in a file that vitest runs as root, checks with real pools that a driver
 * does what `storage/contract.ts` says. LXD_TS_TEST_KILLS: at how many moments of each call the process that makes it is killed (2).
 *
 * @example
 * import { storageConformance } from '@lxd-ts/driver-kit/testing';
 * storageConformance({ driver: overlay, pools: [{ title: 'in the default location' }] });
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PoolSpec, StorageDriver, StoragePool, Volume } from '../storage/contract.ts';
import { type TestContext, testContext } from './context.ts';
import { localBucketTests } from './storage/buckets.ts';
import { copyTests } from './storage/copies.ts';
import { crashTests } from './storage/crashes.ts';
import { diskTests } from './storage/disks.ts';
import { discard, fileFill, inSnapshot, listed, readIn } from './storage/helpers.ts';
import { limitTests } from './storage/limits.ts';
import { poolTests } from './storage/pools.ts';
import { expectSharing } from './storage/room.ts';
import { snapshotTests } from './storage/snapshots.ts';
import {
  newVolume,
  type PoolForm,
  type StorageConformanceOptions,
  type Suite,
  type SuiteGroup,
  specIn,
} from './storage/suite.ts';
import { transferTests } from './storage/transfer.ts';
import { volumeTests } from './storage/volumes.ts';

export type { ImportFrom, PoolForm, StorageConformanceOptions, SuiteGroup } from './storage/suite.ts';

/** Makes a pool of a form; it is deleted with the context, unless a test has done so. */
const makePool = async (
  { driver }: StorageConformanceOptions,
  form: PoolForm,
  context: TestContext,
  name: string,
): Promise<{ spec: PoolSpec; pool: StoragePool }> => {
  const home = (await form.home?.(context)) ?? join(context.directory, 'home');
  await mkdir(home, { recursive: true });
  const asked = specIn(home, name, (await form.config?.(context)) ?? {});
  const spec = { ...asked, config: await driver.create(asked) };
  return { spec, pool: await driver.open(spec) };
};

/** Whether any of its volumes is a disk. */
const hasDisks = ({ features }: StorageDriver): boolean =>
  features.volumeTypes.includes('virtual-machine') ||
  features.customContent.some((content) => content !== 'filesystem');

const describeForm = (options: StorageConformanceOptions, form: PoolForm): void => {
  const { driver } = options;
  const title = form.skip === undefined ? form.title : `${form.title} (${form.skip})`;
  describe.skipIf(form.skip !== undefined)(title, () => {
    let context: TestContext | undefined;
    let made: { spec: PoolSpec; pool: StoragePool } | undefined;
    const ready = (): { spec: PoolSpec; pool: StoragePool } => {
      if (!made) throw new Error('The pool could not be made');
      return made;
    };
    beforeAll(async () => {
      context = await testContext(`lxd-ts-${driver.name}`);
      made = await makePool(options, form, context, 'pool');
    });
    afterAll(async () => {
      try {
        // It is still there after a failure, or where only some of the tests were asked for.
        await made?.pool.delete();
      } finally {
        await context?.[Symbol.asyncDispose]();
      }
    });

    const suite: Suite = {
      driver,
      form,
      pool: () => ready().pool,
      spec: () => ready().spec,
      newVolume: (parts: Partial<Volume> = {}) => newVolume({ ...parts, config: { ...form.volumes, ...parts.config } }),
      // The first form stands for all, unless told otherwise: what is half done looks alike in them.
      importFrom: form === options.pools[0] || form.crashes ? options.importFrom : undefined,
      kills: Number(process.env.LXD_TS_TEST_KILLS ?? 2),
      quotas: form.quotas ?? driver.features.quotas === 'yes',
      reopen: async () => {
        const { spec, pool } = ready();
        await pool[Symbol.asyncDispose]();
        made = { spec, pool: await driver.open(spec) };
      },
      takeOver: async () => {
        const { spec, pool } = ready();
        await options.abandon?.(pool);
        made = { spec, pool: await driver.open(spec) };
      },
    };
    const groups: Readonly<Partial<Record<SuiteGroup, (suite: Suite) => void>>> = {
      pool: poolTests,
      volumes: volumeTests,
      snapshots: snapshotTests,
      copies: copyTests,
      ...(hasDisks(driver) ? { disks: diskTests } : {}),
      limits: limitTests,
      ...(driver.features.buckets ? { buckets: localBucketTests } : {}),
      transfer: transferTests,
      ...(suite.importFrom ? { crashes: crashTests } : {}),
    };
    for (const [name, declare] of Object.entries(groups)) {
      if (!form.only || form.only.some((one) => one === name)) describe(name, () => declare(suite));
    }

    it('at the end no volume is left, and deleting the pool leaves nothing on the host', async () => {
      const { spec, pool } = ready();
      expect(await listed(pool)).toEqual([]);
      await pool.delete();
      made = undefined;
      expect(await context?.leftovers(spec.path)).toEqual([]);
      expect(await context?.leftovers(spec.disks)).toEqual([]);
      expect(await readdir(dirname(spec.path))).toEqual([]);
      expect(await readdir(spec.disks).catch(() => [])).toEqual([]);
    });
  });
};

const describeTiny = (options: StorageConformanceOptions): void => {
  const { tiny, driver } = options;
  if (!tiny) return;
  const { optimizedImages, optimizedSnapshots, copyOnWrite } = driver.features;
  const share = [
    ...(optimizedImages ? ['an instance from an image'] : []),
    ...(optimizedSnapshots ? ['a snapshot'] : []),
    ...(copyOnWrite ? ['a copy'] : []),
  ];
  it(`without room ${share.join(', ') || 'nothing'} is made, as what shares its blocks needs none`, async () => {
    await using context = await testContext(`lxd-ts-${driver.name}`);
    const { pool } = await makePool(options, tiny, context, 'tiny');
    await expectSharing(driver, pool);
    expect(await listed(pool)).toEqual([]);
    await pool.delete();
  });

  it('[05.247] in a pool without room, what fails leaves nothing and what was there stays', async () => {
    await using context = await testContext(`lxd-ts-${driver.name}`);
    const { pool } = await makePool(options, tiny, context, 'tiny');
    const volume = newVolume();
    await pool.createVolume(volume, fileFill('f', 'here'));
    const large = newVolume();
    await expect(
      pool.createVolume(large, async (mount, work) => {
        for (let at = 0; at < tiny.tooMuch; at += 65_536) {
          await fileFill(`large${at}`, randomBytes(65_536))(mount, work);
        }
      }),
    ).rejects.toThrow(/ENOSPC|EDQUOT|system error -122\b/);
    expect(await pool.hasVolume(large)).toBe(false);
    expect(await readIn(pool, volume, 'f')).toBe('here');
    await pool.createSnapshot(inSnapshot(volume, 's0'));
    await discard(pool, volume, 's0');
    expect(await listed(pool)).toEqual([]);
    await pool.delete();
  });
};

/** Declares the tests; see the head of this file. */
export const storageConformance = (options: StorageConformanceOptions): void => {
  describe(`storage driver ${options.driver.name}`, () => {
    for (const form of options.pools) describeForm(options, form);
    describeTiny(options);
  });
};

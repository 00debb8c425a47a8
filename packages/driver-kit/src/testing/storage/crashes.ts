import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PoolSpec, StoragePool, Volume, VolumeCalls } from '../../storage/contract.ts';
import { discard, inSnapshot, listed, MiB, mounted } from './helpers.ts';
import type { Suite } from './suite.ts';

/** A call about volumes as data: another process makes it. */
interface Call {
  readonly name: keyof VolumeCalls;
  readonly args: readonly unknown[];
}

/** Makes one call of an open pool, and tells when it begins and when it is done. */
const program = ({ specifier, name }: { specifier: string; name: string }): string => `
const { ${name}: driver } = await import(${JSON.stringify(specifier)});
process.stdin.once('data', async (given) => {
  const [spec, call] = JSON.parse(given);
  const pool = await driver.open(spec);
  console.log('begun');
  await pool[call.name](...call.args);
  console.log('done');
});
`;

/** A process that makes a call and is killed. */
interface Victim extends AsyncDisposable {
  /**
   * @param after - milliseconds from the beginning of the call to the kill; undefined: as soon as it is done
   * @returns how many milliseconds the call took; undefined: it was not done
   */
  callAndDie(spec: PoolSpec, call: Call, after?: number): Promise<number | undefined>;
}

/** Starts a process that loads the driver and waits: under emulation that takes longer than most calls. */
const startVictim = (from: NonNullable<Suite['importFrom']>): Victim => {
  const args = ['--input-type=module', '--eval', program(from)];
  const child = spawn(process.execPath, [...(from.nodeOptions ?? []), ...args], {
    cwd: from.directory,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  // One that could not load tells by its exit code.
  child.stdin.on('error', () => undefined);
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  return {
    async callAndDie(spec, call, after) {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      // No more than a pipe holds: it arrives in one piece.
      child.stdin.write(JSON.stringify([spec, call]));
      await lines.next();
      const begun = performance.now();
      const done = lines.next().then(({ value }) => (value === 'done' ? performance.now() - begun : undefined));
      const took = await (after === undefined ? done : Promise.race([done, setTimeout(after, undefined)]));
      await end();
      expect(child.exitCode ?? 0, `${call.name}, made by another process`).toBe(0);
      return took;
    },
    [Symbol.asyncDispose]: end,
  };
};

const fileCount = 40;

/** Makes every file of the volume say the same. */
const setState = (pool: StoragePool, volume: Volume, state: string): Promise<void> =>
  mounted(pool, volume, async (path) => {
    for (let at = 0; at < fileCount; at++) {
      await mkdir(join(path, `d${at % 4}`), { recursive: true });
      await writeFile(join(path, `d${at % 4}/f${at}`), state);
    }
  });

/** What the files of a volume say: one text when it is whole, and nothing is missing. */
const stateOf = (pool: StoragePool, volume: Volume): Promise<string[]> =>
  mounted(pool, volume, async (path) => {
    const names = (await readdir(path, { recursive: true })).filter((name) => name.includes('/f'));
    expect(names).toHaveLength(fileCount);
    return [...new Set(await Promise.all(names.map((name) => readFile(join(path, name), 'utf8'))))];
  });

/** A call that is cut short, and what comes before and after. */
interface Interruption {
  readonly what: string;
  readonly prepare?: () => Promise<unknown>;
  readonly call: Call;
  /** What the volume may say after it. Default: only what it said before. */
  readonly states?: readonly string[];
  /** Does what the caller does after a crash, which is to repeat or to undo, checks what came of it, and takes it away. */
  readonly settle: () => Promise<unknown>;
}

const call = <Name extends keyof VolumeCalls>(name: Name, ...args: Parameters<VolumeCalls[Name]>): Call => ({
  name,
  args,
});

/**
 * @param volume - with the snapshots `s0` (`one`) and `s1` (`two`); it says `two` itself
 * @param size - in bytes, of the volume; undefined: volumes cannot be limited
 */
const interruptions = (
  { driver, pool, newVolume }: Suite,
  volume: Volume,
  size: number | undefined,
): Interruption[] => {
  const copy = newVolume({ config: volume.config });
  const renamed = { ...copy, name: `${copy.name}-renamed` };
  const [fresh, again] = [inSnapshot(volume, 's2'), inSnapshot(volume, 's3')];
  const makeCopy = () => pool().copyVolume(copy, volume, []);
  const expectGone = async (one: Volume): Promise<void> => expect(await pool().hasVolume(one)).toBe(false);
  const expectState = async (one: Volume, ...states: string[]): Promise<void> =>
    expect(await stateOf(pool(), one)).toEqual(states);
  const removeCopy = async (...snapshots: string[]): Promise<void> => {
    await discard(pool(), copy, ...snapshots);
    await expectGone(copy);
    for (const snapshot of snapshots) await expectGone(inSnapshot(copy, snapshot));
  };
  const restore = (snapshot: string, state: string): Interruption => ({
    what: `restoring ${snapshot}`,
    prepare: () => setState(pool(), volume, 'three'),
    call: call('restoreVolume', volume, snapshot),
    states: ['three', state],
    async settle() {
      await pool().restoreVolume(volume, snapshot);
      await expectState(volume, state);
    },
  });
  const resize = (what: string, to: number): Interruption => ({
    what,
    prepare: makeCopy,
    call: call('resizeVolume', copy, to),
    async settle() {
      await pool().resizeVolume(copy, to);
      await expectState(copy, 'two');
      // A pool that was just opened may know the use of a volume only when it has been mounted.
      expect((await pool().usage(copy))?.total).toBe(to);
      await removeCopy();
    },
  });
  return [
    { what: 'creating a volume', call: call('createVolume', copy), settle: () => removeCopy() },
    {
      what: 'copying a volume with its snapshots',
      call: call('copyVolume', copy, volume, ['s0', 's1']),
      settle: () => removeCopy('s0', 's1'),
    },
    { what: 'deleting a volume', prepare: makeCopy, call: call('deleteVolume', copy), settle: () => removeCopy() },
    {
      what: 'renaming a volume',
      prepare: () => pool().copyVolume(copy, volume, ['s0', 's1']),
      call: call('renameVolume', copy, renamed.name),
      async settle() {
        if (await pool().hasVolume(copy)) await pool().renameVolume(copy, renamed.name);
        await expectState(renamed, 'two');
        await expectState(inSnapshot(renamed, 's0'), 'one');
        await removeCopy('s0', 's1');
        await discard(pool(), renamed, 's0', 's1');
      },
    },
    ...(size === undefined ? [] : [resize('growing', size * 1.5), resize('shrinking', size * 0.75)]),
    {
      what: 'taking a snapshot',
      call: call('createSnapshot', fresh),
      async settle() {
        await pool().deleteSnapshot(fresh);
        await expectGone(fresh);
      },
    },
    {
      what: 'renaming a snapshot',
      prepare: () => pool().createSnapshot(fresh),
      call: call('renameSnapshot', fresh, 's3'),
      async settle() {
        if (await pool().hasVolume(fresh)) await pool().renameSnapshot(fresh, 's3');
        await expectState(again, 'two');
        await pool().deleteSnapshot(again);
        await expectGone(again);
      },
    },
    {
      what: 'deleting a snapshot',
      prepare: () => pool().createSnapshot(fresh),
      call: call('deleteSnapshot', fresh),
      async settle() {
        await pool().deleteSnapshot(fresh);
        await expectGone(fresh);
      },
    },
    ...(driver.features.restoreAnySnapshot ? [restore('s0', 'one')] : []),
    restore('s1', 'two'),
  ];
};

/** What is left when the process is killed at any moment. */
export const crashTests = (suite: Suite): void => {
  const { pool, spec, newVolume, takeOver, importFrom, quotas, kills } = suite;
  if (!importFrom) return;
  const size = quotas ? 512 * MiB : undefined;
  const volume = newVolume({ config: size === undefined ? {} : { size: String(size) } });

  describe('after kill -9 in the middle all is as before or as after, and what was half done is cleared', () => {
    beforeAll(async () => {
      await pool().createVolume(volume);
      for (const [snapshot, state] of [
        ['s0', 'one'],
        ['s1', 'two'],
      ] as const) {
        await setState(pool(), volume, state);
        await pool().createSnapshot(inSnapshot(volume, snapshot));
      }
    });

    // In the lab without KVM each round may take minutes.
    const timeout = (kills + 1) * 400_000;
    it.each(interruptions(suite, volume, size))(
      '$what',
      { timeout },
      async ({ prepare, call: made, states, settle }) => {
        let took = 0;
        await using victims = new AsyncDisposableStack();
        const newVictim = (): Victim => victims.use(startVictim(importFrom));
        let next = newVictim();
        // Once to its end: this is how long it takes.
        for (let moment = 0; moment <= kills; moment++) {
          await prepare?.();
          const after = moment === 0 ? undefined : (took * (moment - Math.random())) / kills;
          took = Math.max(took, (await next.callAndDie(spec(), made, after)) ?? 0);
          next = newVictim();
          await takeOver();
          expect(states ?? ['two']).toContain((await stateOf(pool(), volume)).join());
          await settle();
          expect(await listed(pool())).toEqual([`custom default/${volume.name} [s0 s1]`]);
        }
        // What was restored last may be the older one.
        await pool().restoreVolume(volume, 's1');
        expect(await stateOf(pool(), volume)).toEqual(['two']);
        expect(await stateOf(pool(), inSnapshot(volume, 's1'))).toEqual(['two']);
        expect(await stateOf(pool(), inSnapshot(volume, 's0'))).toEqual(['one']);
      },
    );

    afterAll(() => discard(pool(), volume, 's0', 's1'));
  });
};

/** What an operator does with a pool on CephFS, which holds custom volumes only: through our client and Debian's. */
import { join } from 'node:path';
import { mounts } from '@lxd-ts/tooling/host-state';
import { makeCephfs } from '@lxd-ts/tooling/lab/ceph';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startCephFor } from '../support/ceph.ts';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';

const snapshotNames = z.array(z.looseObject({ name: z.string() }));

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
  await startCephFor(lxd);
  await makeCephfs();
});
afterAll(() => lxd?.[Symbol.asyncDispose]());

describe.each([
  { title: 'our client', program: ours.lxc },
  { title: "Debian's client", program: real.lxc },
])('a pool of driver cephfs, with $title', ({ program }) => {
  const pool = 'shared';
  const lxc = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lxd.lxc(args, { client: program });
    if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  };
  const volume = (...args: string[]): Promise<string> => lxc('storage', 'volume', ...args);
  /** Runs a command in the container while the volume is attached to it. */
  const inVolume = async (name: string, command: string): Promise<number> => {
    await volume('attach', pool, name, 'c1', 'data', '/data');
    const { code } = await lxd.lxc(['exec', 'c1', '--', 'sh', '-c', command], { client: program });
    await volume('detach', pool, name, 'c1');
    return code;
  };
  const write = async (name: string, text: string) => expect(await inVolume(name, `echo ${text} > /data/f`)).toBe(0);
  const expectText = async (name: string, text: string) =>
    expect(await inVolume(name, `test "$(cat /data/f)" = ${text}`)).toBe(0);
  const snapshotsOf = async (name: string): Promise<string[]> =>
    snapshotNames
      .parse(await lxd.api('GET', `/1.0/storage-pools/${pool}/volumes/custom/${name}/snapshots?recursion=1`))
      .map((one) => one.name.slice(one.name.lastIndexOf('/') + 1));

  beforeAll(async () => {
    await lxc('launch', 'busybox', 'c1', '--storage', 'plain');
  });
  // What a failure leaves must not stand in the way of the next client.
  afterAll(async () => {
    await lxd.lxc(['delete', '--force', 'c1']);
    for (const name of ['v1', 'v2']) await lxd.lxc(['storage', 'volume', 'delete', pool, name]);
    await lxd.lxc(['storage', 'delete', pool]);
  });

  test('[05.25] holds a volume whose snapshots keep what was, and no instance', async () => {
    await lxc('storage', 'create', pool, 'cephfs', 'source=cephfs/tour');
    await volume('create', pool, 'v1');
    await write('v1', 'first');
    await volume('snapshot', pool, 'v1', 's1');
    await write('v1', 'second');
    await volume('snapshot', pool, 'v1', 's2');
    await write('v1', 'third');
    expect(await snapshotsOf('v1')).toEqual(['s1', 's2']);
    const refused = await lxd.lxc(['init', 'busybox', 'c2', '--storage', pool], { client: program });
    expect(refused.code).not.toBe(0);
  });

  test('copies it, sends the copy to a pool of another driver and takes it back, with its snapshots', async () => {
    await volume('copy', `${pool}/v1`, `${pool}/v2`);
    expect(await snapshotsOf('v2')).toEqual(['s1', 's2']);
    await volume('move', `${pool}/v2`, 'plain/v2');
    await volume('move', 'plain/v2', `${pool}/v2`);
    expect(await snapshotsOf('v2')).toEqual(['s1', 's2']);
    await expectText('v2', 'third');
  });

  test('[05.238] exports it and imports it again, with its snapshots', async () => {
    const file = join(lxd.scratch.folder, 'v2.tar.gz');
    await volume('export', pool, 'v2', file);
    await volume('delete', pool, 'v2');
    await volume('import', pool, file, 'v2');
    expect(await snapshotsOf('v2')).toEqual(['s1', 's2']);
    await expectText('v2', 'third');
  });

  test('goes back to a snapshot', async () => {
    await volume('restore', pool, 'v1', 's1');
    await expectText('v1', 'first');
    await volume('restore', pool, 'v1', 's2');
    await expectText('v1', 'second');
  });

  test('gives it the size that it is told', async () => {
    const fill = `i=0; while [ $i -lt 60 ]; do dd if=/dev/zero of=/data/big$i bs=1M count=4 conv=fsync || break; i=$((i+1)); done;
      code=0; [ $i -lt 60 ] || code=1; rm /data/big*; exit $code`;
    await volume('set', pool, 'v1', 'size=20MiB');
    // The quota is noticed late, so that a little more than it gets in.
    expect(await inVolume('v1', fill)).toBe(0);
    await volume('set', pool, 'v1', 'size=100MiB');
    expect(await inVolume('v1', 'dd if=/dev/zero of=/data/big bs=1M count=40 conv=fsync && rm /data/big')).toBe(0);
  });

  test('[05.18] goes away with all that it held, and leaves nothing behind', async () => {
    for (const name of ['v1', 'v2']) await volume('delete', pool, name);
    await lxc('storage', 'delete', pool);
    expect(mounts().filter((point) => point.startsWith(join(lxd.folder, 'storage-pools', pool)))).toEqual([]);
  });
});

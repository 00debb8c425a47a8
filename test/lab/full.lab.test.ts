/** Pools that run full under a container: it is told, nothing hangs, nothing is lost, and with room all goes on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';

/** Pools with room for the image and one container, as words of `lxc storage create`. */
const pools = [
  { kind: 'a thin pool', name: 'thin', config: ['size=320MiB', 'volume.size=1GiB'], grown: '900MiB' },
  {
    kind: 'a thick group',
    name: 'thick',
    config: ['size=500MiB', 'volume.size=200MiB', 'lvm.use_thinpool=false'],
    grown: '1GiB',
  },
];

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startWithPools();
});
afterAll(() => lxd[Symbol.asyncDispose]());

describe.each(pools)('$kind', ({ name: pool, config, grown }) => {
  const lxc = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lxd.lxc(args);
    if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  };
  const refused = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await lxd.lxc(args);
    expect(stderr).toContain('No space left');
    expect(code).not.toBe(0);
  };
  const names = async (): Promise<string[]> =>
    (await lxc('list', '--format=csv', '--columns=n')).split('\n').filter(Boolean);

  // What a failure leaves must not stand in the way of the next pool.
  afterAll(async () => {
    for (const name of ['c1', 'c2']) await lxd.lxc(['delete', '--force', name]);
    await lxd.lxc(['storage', 'delete', pool]);
  });

  test('[05.43 05.247] runs full under a container, says so, and goes on when it has grown', async () => {
    await lxc('storage', 'create', pool, 'lvm', ...config);
    await lxc('launch', 'busybox', 'c1', '--storage', pool);
    await lxc('exec', 'c1', '--', 'sh', '-c', 'echo kept >/root/kept; sync');
    const greedy = ['dd', 'if=/dev/urandom', 'of=/root/big', 'bs=1M', 'count=400', 'conv=fsync'];
    expect((await lxd.lxc(['exec', 'c1', '--', ...greedy])).code).not.toBe(0);

    expect(await lxc('storage', 'info', pool)).toContain('space used');
    await refused('launch', 'busybox', 'c2', '--storage', pool);
    await refused('copy', 'c1', 'c2');
    await refused('snapshot', 'c1', 's0');
    await refused('storage', 'volume', 'create', pool, 'v1');
    expect(await names()).toEqual(['c1']);
    expect(await lxc('storage', 'volume', 'list', pool, '--format=csv')).not.toMatch(/c2|v1|s0/);

    await lxc('storage', 'set', pool, `size=${grown}`);
    await lxc('restart', '--force', 'c1');
    expect(await lxc('exec', 'c1', '--', 'cat', '/root/kept')).toBe('kept\n');
    await lxc('exec', 'c1', '--', 'rm', '-f', '/root/big');
    await lxc('snapshot', 'c1', 's0');
    await lxc('launch', 'busybox', 'c2', '--storage', pool);
    await lxc('delete', '--force', 'c1', 'c2');
    await lxc('storage', 'delete', pool);
  });
});

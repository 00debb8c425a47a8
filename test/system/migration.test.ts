/** Containers between two servers, of which one is ours and the other is LXD 5.0.2 or ours too, by Debian's client. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { beside } from '../support/instance.ts';
import { farAddress, link, startListening, wasReceived } from '../support/linked.ts';
import type { Lxd } from '../support/lxd.ts';
import { type Output, output } from '../support/output.ts';
import { ours, real } from '../support/programs.ts';
import { eventually } from '../support/wait.ts';

const client = ['/usr/bin/lxc'];

const snapshotsOf = z.array(z.looseObject({ name: z.string(), created_at: z.string() }));
const named = z.array(z.looseObject({ name: z.string() }));

describe.each([
  ['LXD 5.0.2', real],
  ['another one of ours', ours],
])('with %s', (_title, programs) => {
  let near: Lxd;
  let far: Lxd;

  const attempt = (...args: string[]): Promise<Output> => near.lxc(args, { client });
  const lxc = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await attempt(...args);
    if (code !== 0)
      throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}\n${near.log().slice(-1500)}`);
    return stdout;
  };
  const exec = (name: string, ...command: string[]): Promise<string> => lxc('exec', name, '--', ...command);
  const names = async (lxd: Lxd): Promise<string[]> =>
    named
      .parse(await lxd.api('GET', '/1.0/instances?recursion=1'))
      .map(({ name }) => name)
      .sort();
  const taken = async (lxd: Lxd, name: string) =>
    snapshotsOf
      .parse(await lxd.api('GET', `/1.0/instances/${name}/snapshots?recursion=1`))
      .map((one) => `${one.name.split('/').at(-1)} ${Math.floor(Date.parse(one.created_at) / 1000)}`)
      .sort();
  /** What lies in the pool `plain`, by instance. */
  const onDisk = (lxd: Lxd): Promise<string> =>
    beside(
      lxd,
      'sh',
      '-c',
      'cd "$1" && ls containers containers-snapshots',
      'sh',
      join(lxd.folder, 'storage-pools/plain'),
    );

  /** Root's home in a container of the pool `plain`. */
  const root = (lxd: Lxd, name: string): string =>
    join(lxd.folder, 'storage-pools/plain/containers', name, 'rootfs/root');

  /** A container with all kinds of files, a snapshot before the last change and one after. */
  const make = async (name: string): Promise<void> => {
    await lxc('launch', 'busybox', name, '--config', 'user.own=here');
    const files = [
      'cd /root; echo first >data; echo set >set; chown 1000:1001 set; chmod 4751 set',
      'ln -s /etc/shadow link; mkfifo pipe; mkdir -p deep/er; echo x >deep/er/file; touch -d "2001-02-03 04:05:06" old',
    ];
    await exec(name, 'sh', '-c', files.join('; '));
    await lxc('snapshot', name, 's0');
    await exec(name, 'sh', '-c', 'echo second >/root/data; rm /root/old');
    await lxc('snapshot', name, 's1');
    await exec(name, 'ln', '/root/data', '/root/deep/hard');
    await lxc('stop', '--force', name);
    await beside(near, 'setfacl', '--modify', 'user:1234:rw', join(root(near, name), 'data'));
  };
  const listing = 'cd /root; stat -c "%n %u:%g %a %F %Y" set link pipe deep/er/file; readlink link; cat data';

  /** Starts an instance, local or remote, and compares it with what `make` made. */
  const expectWhole = async (where: string): Promise<void> => {
    await lxc('start', where);
    const seen = await exec(where, 'sh', '-c', listing);
    expect(seen).toContain('set 1000:1001 4751 regular file');
    expect(seen).toMatch(/link 0:0 777 symbolic link \d+\npipe 0:0 \d+ fifo/);
    expect(seen).toMatch(/\/etc\/shadow\nsecond\n$/);
    expect(await lxc('config', 'get', where, 'user.own')).toBe('here\n');
    await lxc('stop', '--force', where);
  };
  const expectSnapshots = async (where: string): Promise<void> => {
    await lxc('restore', where, 's0');
    await lxc('start', where);
    expect(await exec(where, 'cat', '/root/data')).toBe('first\n');
    expect(await exec(where, 'stat', '-c', '%Y', '/root/old')).toBe('981173106\n');
    await lxc('stop', '--force', where);
  };

  beforeAll(async () => {
    [near, far] = [await startListening(ours), await startListening(programs)];
    await link(near, far);
    await lxc('remote', 'add', 'far', farAddress, '--password=secret', '--accept-certificate');
    await lxc('image', 'import', busyboxImage().unified, '--alias', 'busybox');
    await make('c1');
  }, 60_000);
  afterAll(async () => {
    await far?.[Symbol.asyncDispose]();
    await near?.[Symbol.asyncDispose]();
  });

  test.each(['pull', 'push', 'relay'])(
    '[05.112 10.MOV-03 09.MIG-01] copies with snapshots there and back, mode %s',
    async (mode) => {
      await lxc('copy', 'c1', `far:${mode}`, `--mode=${mode}`);
      expect(await taken(far, mode)).toEqual(await taken(near, 'c1'));
      await expectWhole(`far:${mode}`);
      await lxc('copy', `far:${mode}`, `back-${mode}`, `--mode=${mode}`);
      expect(await taken(near, `back-${mode}`)).toEqual(await taken(near, 'c1'));
      await expectWhole(`back-${mode}`);
      await expectSnapshots(`back-${mode}`);
      await expectSnapshots(`far:${mode}`);
      await lxc('delete', `far:${mode}`, `back-${mode}`);
    },
  );

  test('[05.161 05.162 05.285 10.MOV-04 09.MIG-02] to and from a pool of another driver, under other settings', async () => {
    await lxc('copy', 'c1', 'far:t1', '--storage=tree', '--config=user.more=1');
    await expectWhole('far:t1');
    expect(await lxc('config', 'get', 'far:t1', 'user.more')).toBe('1\n');
    await lxc('copy', 'far:t1', 't2', '--storage=tree');
    const received = await wasReceived(near, 'containers-snapshots/t2/s0');
    expect(received, 'between servers of ours it goes in the format of the driver').toBe(programs === ours);
    await expectWhole('t2');
    await expectSnapshots('t2');
    await lxc('copy', 't2', 'far:t3');
    await expectSnapshots('far:t3');
    await lxc('delete', 'far:t1', 't2', 'far:t3');
  });

  test('without snapshots, of a snapshot, and of a container that runs', async () => {
    await lxc('copy', 'c1', 'far:only', '--instance-only');
    expect(await taken(far, 'only')).toEqual([]);
    await expectWhole('far:only');
    await lxc('copy', 'far:only', 'only-back', '--instance-only');
    expect(await taken(near, 'only-back')).toEqual([]);
    await lxc('copy', 'c1/s0', 'far:then');
    await lxc('start', 'far:then');
    expect(await exec('far:then', 'cat', '/root/data')).toBe('first\n');
    // It runs, and goes without its run-time state.
    await lxc('copy', 'far:then', 'running', '--stateless');
    await lxc('start', 'running');
    expect(await exec('running', 'cat', '/root/data')).toBe('first\n');
    await lxc('copy', 'running', 'far:running', '--stateless');
    expect(await exec('running', 'hostname')).toBe('running\n');
    await lxc('delete', '--force', 'far:only', 'only-back', 'far:then', 'running', 'far:running');
  });

  test('[10.MOV-01] a move leaves nothing behind', async () => {
    await lxc('copy', 'c1', 'm1');
    await lxc('move', 'm1', 'far:m2');
    expect(await names(near)).toEqual(['c1']);
    await lxc('move', 'far:m2', 'm3', '--mode=push');
    expect(await names(far)).toEqual([]);
    expect(await onDisk(far)).not.toContain('m2');
    await expectWhole('m3');
    await lxc('delete', 'm3');
  });

  test.each(['plain', 'tree'])(
    '[05.164 05.166 05.167 05.237] --refresh brings data and snapshots up to date, in both directions, in pool %s',
    async (pool) => {
      const expectDifference = async (lxd: Lxd, snapshot: string): Promise<void> => {
        const received = pool === 'tree' && (await wasReceived(lxd, `containers-snapshots/${snapshot}`));
        expect(received).toBe(pool === 'tree' && programs === ours);
      };
      await lxc('copy', 'c1', 'r1', `--storage=${pool}`);
      await lxc('copy', 'r1', 'far:r2', `--storage=${pool}`);
      await lxc('delete', 'r1/s0');
      await lxc('start', 'r1');
      await exec('r1', 'sh', '-c', 'echo third >/root/data; rm /root/pipe');
      await lxc('snapshot', 'r1', 's2');
      await lxc('stop', '--force', 'r1');
      await lxc('copy', 'r1', 'far:r2', '--refresh');
      await expectDifference(far, 'r2/s2');
      expect(await taken(far, 'r2')).toEqual(await taken(near, 'r1'));
      await lxc('start', 'far:r2');
      expect(await exec('far:r2', 'sh', '-c', 'cat /root/data; ls /root')).toBe('third\ndata\ndeep\nlink\nset\n');
      await exec('far:r2', 'sh', '-c', 'echo fourth >/root/data');
      await lxc('stop', '--force', 'far:r2');
      await lxc('snapshot', 'far:r2', 's3');
      await lxc('delete', 'far:r2/s1');
      await lxc('copy', 'far:r2', 'r1', '--refresh');
      await expectDifference(near, 'r1/s3');
      expect(await taken(near, 'r1')).toEqual(await taken(far, 'r2'));
      await lxc('start', 'r1');
      expect(await exec('r1', 'cat', '/root/data')).toBe('fourth\n');
      await lxc('stop', '--force', 'r1');
      await lxc('restore', 'r1', 's2');
      await lxc('start', 'r1');
      expect(await exec('r1', 'cat', '/root/data')).toBe('third\n');
      await lxc('delete', '--force', 'r1', 'far:r2');
    },
  );

  test('a key that LXD 5.0 does not know is not handed on to it, by clients of old or of now, and stays here', async () => {
    const key = 'volatile.uuid.generation';
    const shape = z.object({ config: z.record(z.string(), z.string()) });
    const generation = async (lxd: Lxd, name: string, agent: string) => {
      const headers = { 'user-agent': agent };
      const paths = [`/1.0/instances/${name}`, `/1.0/instances/${name}?recursion=1`];
      const ones = await Promise.all(
        paths.map(async (path) => shape.parse(await lxd.api('GET', path, undefined, { headers }))),
      );
      const lists = await Promise.all(
        ['1', '2'].map((recursion) => lxd.api('GET', `/1.0/instances?recursion=${recursion}`, undefined, { headers })),
      );
      const listed = lists.map((list) =>
        z
          .array(shape.extend({ name: z.string() }))
          .parse(list)
          .find((one) => one.name === name),
      );
      return new Set([...ones, ...listed].map((one) => one?.config[key]));
    };
    await lxc('copy', 'c1', 'g1');
    await lxc('snapshot', 'g1', 's9');
    await lxc('restore', 'g1', 's9');
    const [own] = await generation(near, 'g1', 'curl/8');
    expect(own).toMatch(/^[0-9a-f-]{36}$/);
    expect(await generation(near, 'g1', 'LXD 5.15 (Linux)')).toEqual(new Set([own]));
    expect(await generation(near, 'g1', 'LXD 5.0.2 (Linux)')).toEqual(new Set([undefined]));
    // A client that was not told of the key and puts the whole configuration back does not take it away.
    await lxc('config', 'set', 'g1', 'user.x', 'y');
    expect(await generation(near, 'g1', 'curl/8')).toEqual(new Set([own]));
    const move = (...args: string[]) => near.lxc(['move', ...args]);
    expect(await move('g1', 'far:g2')).toMatchObject({ code: 0 });
    expect(await move('far:g2', 'g1')).toMatchObject({ code: 0 });
    await lxc('copy', 'g1', 'far:g3');
    expect(await near.lxc(['copy', 'g1', 'far:g3', '--refresh'])).toMatchObject({ code: 0 });
    await lxc('delete', 'g1', 'far:g3');
  });

  test('what cannot be is refused, on both sides nothing is left', async () => {
    await lxc('copy', 'c1', 'far:taken');
    expect((await attempt('copy', 'c1', 'far:taken')).stderr).toContain('already exists');
    const refused = (source: object) =>
      near.api('POST', '/1.0/instances', { name: 'x', source: { type: 'migration', mode: 'pull', ...source } });
    await expect(refused({ operation: 'http://192.0.2.2/1.0/operations/a' })).rejects.toThrow('source.operation');
    await expect(refused({ operation: 'https://192.0.2.2:8443/etc/passwd' })).rejects.toThrow('source.operation');
    await expect(refused({ operation: 'https://192.0.2.2:8443/1.0/operations/a' })).rejects.toThrow('source.secrets');
    const secrets = { control: 'a', fs: 'b' };
    await expect(refused({ operation: 'https://192.0.2.2:1/1.0/operations/a', secrets })).rejects.toThrow(
      'Cannot reach',
    );
    await lxc('delete', 'far:taken');
    expect([await names(near), await names(far)]).toEqual([['c1'], []]);
  });

  /** Gives a container a file of random data, which no compression makes smaller. */
  const fatten = async (name: string, mebibytes: number): Promise<void> => {
    await lxc('start', name);
    await exec(name, 'dd', 'if=/dev/urandom', 'of=/root/fat', 'bs=1M', `count=${mebibytes}`);
    await lxc('stop', '--force', name);
  };
  /** The rsyncs that work in the folder of a server. */
  const rsyncs = async (lxd: Lxd): Promise<string[]> => {
    const { stdout } = await output(['pgrep', '--list-full', 'rsync']);
    return stdout.split('\n').filter((line) => line.includes(`${lxd.folder}/`));
  };
  /** No program of a transfer is left on either side. */
  const expectQuiet = async (): Promise<void> => {
    for (const lxd of [near, far])
      await eventually(
        () => rsyncs(lxd),
        (list) => list.length === 0,
      );
  };

  test('a receiver of ours without room says so, and nothing is left', async () => {
    await lxc('copy', 'c1', 'far:big');
    await lxc('start', 'far:big');
    await exec('far:big', 'dd', 'if=/dev/urandom', 'of=/root/fat', 'bs=1M', 'count=270');
    await lxc('stop', '--force', 'far:big');
    const before = await names(near);
    for (const mode of ['pull', 'push']) {
      const { code, stderr } = await attempt('copy', 'far:big', 'full', '--storage=tree', `--mode=${mode}`);
      expect(code).toBe(1);
      expect(stderr).toMatch(/No space left|rsync|failed/i);
      expect(await names(near)).toEqual(before);
      await expectQuiet();
    }
    const volumes = z.array(z.string()).parse(await near.api('GET', '/1.0/storage-pools/tree/volumes'));
    expect(volumes.filter((url) => url.includes('/container/'))).toEqual([]);
    await lxc('delete', 'far:big');
  }, 120_000);

  test('[09.MIG-01] a copy that is cancelled leaves nothing on either side, and progress is told meanwhile', async () => {
    await lxc('copy', 'c1', 'slow');
    await fatten('slow', 40);
    await near.api('PATCH', '/1.0/storage-pools/plain', { config: { 'rsync.bwlimit': '2MiB' } });
    const operations = z.record(
      z.string(),
      z.array(z.looseObject({ id: z.string(), metadata: z.record(z.string(), z.unknown()).nullable() })),
    );
    const running = async (lxd: Lxd) =>
      operations.parse(await lxd.api('GET', '/1.0/operations?recursion=1')).running ?? [];
    const copying = attempt('copy', 'slow', 'far:slow', '--instance-only');
    const [sending] = await eventually(
      () => running(near),
      (list) => list.some(({ metadata }) => /MB/.test(String(metadata?.fs_progress))),
    );
    await near.api('DELETE', `/1.0/operations/${sending?.id}`);
    expect((await copying).code).toBe(1);
    await eventually(
      () => names(far),
      (list) => list.length === 0,
    );
    expect(await names(near)).toEqual(['c1', 'slow']);
    await expectQuiet();
    await lxc('start', 'slow');
    await lxc('delete', '--force', 'slow');
    await near.api('PATCH', '/1.0/storage-pools/plain', { config: { 'rsync.bwlimit': '' } });
  }, 60_000);

  test('a sender that is killed leaves nothing with the receiver of ours, nor a receiver of ours that is killed', async () => {
    await lxc('copy', 'c1', 'far:slow');
    await lxc('start', 'far:slow');
    await exec('far:slow', 'dd', 'if=/dev/urandom', 'of=/root/fat', 'bs=1M', 'count=40');
    await lxc('stop', '--force', 'far:slow');
    await lxc('storage', 'set', 'far:plain', 'rsync.bwlimit', '2MiB');
    const plain = join(near.folder, 'storage-pools/plain/containers');
    const begun = (): Promise<unknown> =>
      eventually(
        async () => readdirSync(plain),
        (list) => list.includes('gone'),
      );
    const first = attempt('copy', 'far:slow', 'gone', '--instance-only');
    await begun();
    await far.kill();
    // LXD's goes on without it.
    for (const line of await rsyncs(far)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    expect((await first).code).toBe(1);
    await eventually(
      () => names(near),
      (list) => !list.includes('gone'),
    );
    expect(readdirSync(plain)).not.toContain('gone');
    await far.start();
    await expectQuiet();

    const second = attempt('copy', 'far:slow', 'gone', '--instance-only');
    await begun();
    await near.kill();
    expect((await second).code).toBe(1);
    await near.start();
    expect(await names(near)).toEqual(['c1']);
    expect(readdirSync(plain)).toEqual(['c1']);
    await lxc('storage', 'unset', 'far:plain', 'rsync.bwlimit');
    await lxc('copy', 'far:slow', 'gone', '--instance-only');
    await expectWhole('gone');
  }, 120_000);
});

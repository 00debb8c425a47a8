import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import type { ExecSession } from '../../instance/contract.ts';
import { collect, type InstanceSuite, request, sh } from './suite.ts';

const terminal = { width: 100, height: 40 };

/** Waits until a terminal has shown something. */
const shown = (session: ExecSession) => {
  let all = '';
  session.stdout.on('data', (data) => {
    all += data;
  });
  return { all: () => all, until: (what: string | RegExp) => expect.poll(() => all).toMatch(what) };
};

export const execTests = ({ start }: InstanceSuite): void => {
  describe('exec', () => {
    it('gives a command its arguments, three streams, and exactly its environment', async () => {
      const instance = await start();
      const script = 'cat; echo "$0:$1" ; echo problem >&2; env | sort; exit 3';
      const session = await instance.exec(
        request(['sh', '-c', script, 'a b', "c'd"], { environment: { PATH: '/bin:/usr/bin', LANG: 'C.UTF-8' } }),
      );
      const { status, stdout, stderr } = await collect(session, 'input\n');
      expect(status).toBe(3);
      expect(stderr).toBe('problem\n');
      const [input, args, ...variables] = stdout.trimEnd().split('\n');
      expect([input, args]).toEqual(['input', "a b:c'd"]);
      // The shell adds its own two.
      const given = variables.filter((line) => !/^(PWD|SHLVL|container)=/.test(line));
      expect(given).toEqual(['LANG=C.UTF-8', 'PATH=/bin:/usr/bin']);
      expect((await sh(instance, 'ls /proc/self/fd')).stdout.trim().split('\n').length).toBeLessThanOrEqual(4);
    });

    it('runs as the ids and in the directory that are asked for', async () => {
      const instance = await start();
      await sh(instance, 'mkdir -p /only/here; chmod 777 /only/here');
      const where = { uid: 33, gid: 44, cwd: '/only/here' };
      const { stdout } = await sh(instance, 'id -u; id -g; id -G; pwd; echo mine > file; stat -c %u:%g file', where);
      expect(stdout).toBe('33\n44\n44\n/only/here\n33:44\n');
      expect((await sh(instance, 'stat -c %u /only/here/file')).stdout).toBe('33\n');
    });

    it('gives exit statuses as a shell does', async () => {
      const instance = await start();
      await sh(instance, 'echo text > /plain; chmod 644 /plain');
      const statuses = async (changes: Parameters<typeof request>[1]) => [
        (await collect(await instance.exec(request(['true'], changes)))).status,
        (await collect(await instance.exec(request(['false'], changes)))).status,
        (await sh(instance, 'exit 42', changes)).status,
        (await sh(instance, 'kill -9 $$', changes)).status,
        (await sh(instance, 'kill -TERM $$', changes)).status,
        (await collect(await instance.exec(request(['/plain'], changes)))).status,
        (await collect(await instance.exec(request(['nosuchprogram'], changes)))).status,
        (await collect(await instance.exec(request(['/no/such/program'], changes)))).status,
      ];
      expect(await statuses({})).toEqual([0, 1, 42, 137, 143, 126, 127, 127]);
      expect(await statuses({ terminal })).toEqual([0, 1, 42, 137, 143, 126, 127, 127]);
    });

    it('passes large input and output unharmed, and the end of input on', async () => {
      const instance = await start();
      const data = randomBytes(8 << 20);
      const session = await instance.exec(request(['cat']));
      const [received] = await Promise.all([
        buffer(session.stdout),
        pipeline(Readable.from([data.subarray(0, 1 << 20), data.subarray(1 << 20)]), session.stdin),
      ]);
      expect(await session.exit).toBe(0);
      expect(createHash('sha256').update(received).digest('hex')).toBe(createHash('sha256').update(data).digest('hex'));
    });

    it('output is complete when a reader is slow and the command has long ended', async () => {
      const instance = await start();
      const session = await instance.exec(request(['sh', '-c', 'head -c 30000 /dev/zero; echo end >&2']));
      expect(await session.exit).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await buffer(session.stdout)).length).toBe(30000);
      expect(await text(session.stderr ?? Readable.from([]))).toBe('end\n');
    });

    it('signals reach the command itself', async () => {
      const instance = await start();
      const session = await instance.exec(
        request(['sh', '-c', 'trap "echo got it; exit 5" USR1; echo ready; while :; do sleep 0.01; done']),
      );
      const { all, until } = shown(session);
      await until('ready');
      session.signal(10);
      expect(await session.exit).toBe(5);
      await until('got it');
      expect(all()).toBe('ready\ngot it\n');
      // The command is gone: nobody is meant any more.
      session.signal(9);
      const sleeping = await instance.exec(request(['sleep', '100']));
      sleeping.signal(15);
      expect(await sleeping.exit).toBe(143);
    });

    it('a cancelled session kills its command', async () => {
      const instance = await start();
      const controller = new AbortController();
      const session = await instance.exec(request(['sleep', '1234']), { signal: controller.signal });
      controller.abort();
      expect(await session.exit).toBe(137);
      await expect.poll(async () => (await sh(instance, 'ps | grep -c "[s]leep 1234"')).stdout).toBe('0\n');
      await expect(instance.exec(request(['true']), { signal: AbortSignal.abort() })).rejects.toThrow();
    });

    it('many commands run at one time', async () => {
      const instance = await start();
      const results = await Promise.all(
        Array.from({ length: 40 }, async (_, number) => (await sh(instance, `echo ${number}`)).stdout),
      );
      expect(results).toEqual(Array.from({ length: 40 }, (_, number) => `${number}\n`));
    });

    it('sessions end with the instance', async () => {
      const instance = await start();
      const session = await instance.exec(request(['sleep', '100']));
      await instance.kill();
      expect(await session.exit).toBe(137);
    });

    it('ids that the instance does not have are refused', async ({ skip }) => {
      const instance = await start();
      if (!(await sh(instance, 'cat /proc/self/uid_map')).stdout.includes('65536')) skip('all ids are mapped');
      await expect(instance.exec(request(['true'], { uid: 70000 }))).rejects.toMatchObject({ kind: 'bad-request' });
      await expect(instance.exec(request(['true'], { gid: 70000 }))).rejects.toMatchObject({ kind: 'bad-request' });
    });
  });

  describe('exec with a terminal', () => {
    it('the command has a terminal of that size, of the instance, and both outputs go there', async () => {
      const instance = await start();
      const session = await instance.exec(
        request(['sh', '-c', 'tty; stty size; test -c $(tty) && stat -c %u $(tty); echo problem >&2; exit 4'], {
          terminal,
          uid: 7,
        }),
      );
      expect(session.stderr).toBeUndefined();
      const { status, stdout } = await collect(session);
      expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\n40 100\r\n7\r\nproblem\r\n$/);
      expect(status).toBe(4);
    });

    it('typed control characters signal the foreground job', async () => {
      const instance = await start();
      const session = await instance.exec(request(['sh'], { terminal }));
      const { until } = shown(session);
      session.stdin.write('echo one; sleep 1000\n');
      await until(/\none/);
      session.stdin.write('\x03');
      session.stdin.write('exit 6\n');
      expect(await session.exit).toBe(6);
    });

    it('a resize is noticed', async () => {
      const instance = await start();
      const script = 'trap "stty size; exit 6" WINCH; echo ready; while :; do sleep 0.01; done';
      const session = await instance.exec(request(['sh', '-c', script], { terminal }));
      const { until } = shown(session);
      await until('ready');
      session.resize(132, 50);
      await until('50 132');
      expect(await session.exit).toBe(6);
    });

    it('signals reach the command, and the loss of the terminal hangs it up', async () => {
      const instance = await start();
      const session = await instance.exec(request(['sleep', '100'], { terminal }));
      session.signal(15);
      expect(await session.exit).toBe(143);
      const other = await instance.exec(request(['sh', '-c', 'echo ready; exec sleep 100'], { terminal }));
      await shown(other).until('ready');
      other.stdin.destroy();
      expect(await other.exit).toBe(129);
      // Also one that has hardly begun comes to its end.
      const early = await instance.exec(request(['sleep', '100'], { terminal }));
      early.stdin.destroy();
      expect(await early.exit).not.toBe(0);
    });

    it('passes a lot both ways', async () => {
      const instance = await start();
      const session = await instance.exec(
        request(['sh', '-c', 'stty raw -echo; echo ready; head -c 2000000 | md5sum'], { terminal }),
      );
      const { until } = shown(session);
      await until('ready');
      const data = randomBytes(1_000_000).toString('hex');
      session.stdin.write(data);
      expect(await session.exit).toBe(0);
      await until(createHash('md5').update(data).digest('hex'));
    });
  });
};

import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { eventLifecycle, type Instance, type Server } from '@lxd-ts/api';
import {
  ApiError,
  attachConsole,
  type Client,
  ConnectionError,
  type Control,
  connect,
  consoleLog,
  deleteFile,
  type ExecOptions,
  type ExecRequest,
  exec,
  execRecorded,
  exportImage,
  OperationError,
  type OperationObject,
  openEvents,
  openSftp,
  pullFile,
  pushFile,
  run,
  uploadImage,
} from '@lxd-ts/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { startWithPools } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';

/** The library for clients, against LXD, whose answers are the truth it is held against, and against our daemon. */
const name = 'c1';

/** The error that a promise ends with. */
const errorOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It did not fail');
};

describe.each([ours, real])('with $name', (programs) => {
  let lxd: Lxd;
  let client: Client;

  beforeAll(async () => {
    lxd = await startWithPools(programs);
    client = connect({ kind: 'unix', socketPath: lxd.socket });
    await run(client, 'POST', ['instances'], { name, source: { type: 'image', alias: 'busybox' } });
    await run(client, 'PUT', ['instances', name, 'state'], { action: 'start', timeout: 30 });
  });

  afterAll(async () => {
    client?.close();
    await lxd?.[Symbol.asyncDispose]();
  });

  const runIn = async (
    request: ExecRequest,
    options: Omit<ExecOptions, 'stdout' | 'stderr'> = {},
  ): Promise<{ status: number; stdout: string; stderr: string }> => {
    const [out, error] = [new PassThrough(), new PassThrough()];
    const printed = Promise.all([text(out), text(error)]);
    const status = await exec(client, name, request, { ...options, stdout: out, stderr: error });
    out.end();
    error.end();
    const [stdout, stderr] = await printed;
    return { status, stdout, stderr };
  };

  describe('requests', () => {
    it('[09.ENV-01 09.ENV-03] give typed values, and typed errors with the sentence of the server', async () => {
      const { value } = await client.get<Server>([]);
      expect(value.api_version).toBe('1.0');
      const error = await errorOf(client.get(['instances', 'no-such-instance']));
      expect(error).toBeInstanceOf(ApiError);
      expect(error).toMatchObject({ status: 404, message: 'Instance not found' });
    });

    it('change something only if it is still as it was read', async () => {
      const { value, etag } = await client.get<Instance>(['instances', name]);
      expect(etag).not.toBe('');
      const changed = (text: string) => ({ ...value, config: { ...value.config, 'user.note': text } });
      const put = (body: Instance) => run(client, 'PUT', ['instances', name], body, { etag });
      await put(changed('first'));
      expect(await errorOf(put(changed('second')))).toMatchObject({ status: 412 });
      expect((await client.get<Instance>(['instances', name])).value.config['user.note']).toBe('first');
    });

    it('tell a server that is not there from one that refuses', async () => {
      const error = await errorOf(connect({ kind: 'unix', socketPath: '/nowhere/unix.socket' }).get([]));
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({ code: 'ENOENT' });
    });
  });

  describe('operations', () => {
    it('[09.OPS-07] are watched from the first update to the last', async () => {
      const updates: OperationObject[] = [];
      const ended = await run(
        client,
        'POST',
        ['instances', name, 'snapshots'],
        { name: 's0' },
        {
          onUpdate: (operation) => updates.push(operation),
        },
      );
      expect(ended?.status).toBe('Success');
      expect(new Set(updates.map(({ id }) => id))).toEqual(new Set([ended?.id]));
      expect(updates.map(({ status }) => status)).toContain('Running');
      await run(client, 'DELETE', ['instances', name, 'snapshots', 's0']);
    });

    it('that fail throw what went wrong', async () => {
      const error = await errorOf(run(client, 'PUT', ['instances', name, 'state'], { action: 'start', timeout: 30 }));
      expect(error).toBeInstanceOf(OperationError);
      expect(error).toMatchObject({ statusCode: 400, message: expect.stringContaining('already running') });
    });
  });

  describe('events', () => {
    it('[09.EVT-01 09.EVT-06] come while the stream is open, of the wanted kind only', async () => {
      const actions: string[] = [];
      const { promise: seen, resolve } = Promise.withResolvers<void>();
      const types = new Set<string>();
      const stream = await openEvents(client, {
        types: ['lifecycle'],
        onEvent: ({ type, metadata }) => {
          types.add(type);
          const { action, source } = eventLifecycle.parse(metadata);
          if (!source.includes(name)) return;
          actions.push(action);
          if (action === 'instance-file-pushed') resolve();
        },
      });
      await pushFile(client, name, '/root/event', { type: 'file', content: 'x' });
      await seen;
      stream.close();
      await stream.closed;
      expect(actions).toContain('instance-file-pushed');
      expect([...types]).toEqual(['lifecycle']);
    });
  });

  describe('commands in an instance', () => {
    it('[09.EXE-02 09.EXE-04] have their own output and error stream and their exit status', async () => {
      expect(await runIn({ command: ['sh', '-c', 'echo out; echo err >&2; exit 7'] })).toEqual({
        status: 7,
        stdout: 'out\n',
        stderr: 'err\n',
      });
    });

    it('get input to its end, whatever its size, and their environment', async () => {
      const input = randomBytes(3_000_000).toString('base64');
      const command = ['sh', '-c', 'wc -c; echo $WORD; pwd'];
      const request = { command, environment: { WORD: 'hello' }, cwd: '/tmp' };
      expect(await runIn(request, { stdin: Readable.from([input.slice(0, 5), input.slice(5)]) })).toEqual({
        status: 0,
        stdout: `${input.length}\nhello\n/tmp\n`,
        stderr: '',
      });
    });

    it('give back all of a long output', async () => {
      const { stdout } = await runIn({ command: ['sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x'] });
      expect(stdout.length).toBe(5_000_000);
    });

    it('[09.EXE-05] run on a terminal that follows the size of the window', async () => {
      const stdin = new PassThrough();
      const result = await runIn(
        { command: ['sh', '-c', 'stty size; read line; stty size'] },
        {
          stdin,
          terminal: { width: 90, height: 30 },
          onControl: (control) => {
            control.resize(100, 40);
            setTimeout(() => stdin.write('\n'), 300);
          },
        },
      );
      expect(result.status).toBe(0);
      expect(result.stdout).toMatch(/^(30 90|40 100)\r\n\r\n40 100\r\n$/);
    });

    it('[09.EXE-05] get signals', async () => {
      let control: Control | undefined;
      const stdout = new PassThrough();
      stdout.once('data', () => control?.signal(15));
      const status = await exec(
        client,
        name,
        { command: ['sh', '-c', 'echo ready; exec sleep 60'] },
        {
          stdout,
          onControl: (opened) => {
            control = opened;
          },
        },
      );
      expect(status).toBe(143);
    });

    it('[09.EXE-03] can leave their output on the server', async () => {
      expect(await execRecorded(client, name, { command: ['sh', '-c', 'echo out; echo err >&2; exit 3'] })).toEqual({
        status: 3,
        stdout: 'out\n',
        stderr: 'err\n',
      });
    });
  });

  describe('files in an instance', () => {
    it('[09.FIL-01 09.FIL-03] come back with the bytes and attributes they were given', async () => {
      const content = randomBytes(400_000);
      await pushFile(client, name, '/root/data', { type: 'file', uid: 12, gid: 34, mode: 0o640, content });
      const file = await pullFile(client, name, '/root/data');
      expect(file).toMatchObject({ type: 'file', uid: 12, gid: 34, mode: 0o640 });
      expect(file.type === 'file' && (await buffer(file.content)).equals(content)).toBe(true);
    });

    it('may be streamed and appended to', async () => {
      await pushFile(client, name, '/root/log', { type: 'file', content: Readable.from(['one ', 'two ']) });
      await pushFile(client, name, '/root/log', { type: 'file', content: 'three', append: true });
      const file = await pullFile(client, name, '/root/log');
      expect(file.type === 'file' && (await text(file.content))).toBe('one two three');
    });

    it('may be directories and links', async () => {
      await pushFile(client, name, '/root/dir', { type: 'directory', mode: 0o750 });
      await pushFile(client, name, '/root/dir/link', { type: 'symlink', content: '/etc/passwd' });
      expect(await pullFile(client, name, '/root/dir')).toMatchObject({
        type: 'directory',
        entries: ['link'],
        mode: 0o750,
      });
      expect(await pullFile(client, name, '/root/dir/link')).toMatchObject({ type: 'symlink', target: '/etc/passwd' });
      await deleteFile(client, name, '/root/dir/link');
      await deleteFile(client, name, '/root/dir');
      expect(await errorOf(pullFile(client, name, '/root/dir'))).toMatchObject({ status: 404 });
    });

    it('are reached by SFTP', async () => {
      const socket = await openSftp(client, name);
      // SSH_FXP_INIT, version 3 (draft-ietf-secsh-filexfer-02 §4), answered by SSH_FXP_VERSION.
      socket.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
      const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
      socket.destroy();
      expect(answer[4]).toBe(2);
      expect(answer.readUInt32BE(5)).toBe(3);
    });
  });

  describe('the console', () => {
    it('is attached to until the caller lets go', async () => {
      const detach = new AbortController();
      await attachConsole(client, name, {
        width: 80,
        height: 25,
        stdin: new PassThrough(),
        stdout: new PassThrough(),
        signal: detach.signal,
        onControl: () => detach.abort(),
      });
      expect((await client.get<Instance>(['instances', name])).value.status).toBe('Running');
    });

    it('[09.CON-03] has a log', async () => {
      await execRecorded(client, name, { command: ['sh', '-c', 'echo written > /dev/console'] });
      expect(await consoleLog(client, name)).toContain('written');
    });
  });

  describe('images', () => {
    it('are exported and imported', async () => {
      const { value: alias } = await client.get<{ target: string }>(['images', 'aliases', 'busybox']);
      const { parts } = await exportImage(client, alias.target);
      const received: Buffer[] = [];
      for await (const { body } of parts) received.push(await buffer(body));
      expect(received).toHaveLength(1);
      expect(received[0]?.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
      const error = await errorOf(uploadImage(client, [{ path: '/etc/hostname' }]));
      expect(error).toBeInstanceOf(OperationError);
    });
  });
});

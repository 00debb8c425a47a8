import { readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { CommandError } from './command-error.ts';
import { run } from './run.ts';
import { spawnStream } from './spawn-stream.ts';

/** Direct children of this process that have ended and were not waited for. */
function zombies(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state === 'Z' && Number(parent) === process.pid;
      } catch {
        return false; // gone while we looked
      }
    });
}

async function failure(promise: Promise<unknown>): Promise<CommandError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CommandError) return error;
  throw new Error(`expected a CommandError, got ${String(error)}`);
}

describe('run', () => {
  test('gives back both outputs', async () => {
    expect(await run(['sh', '-c', 'echo out; echo err >&2'])).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  test('feeds text, bytes and streams to standard input', async () => {
    expect((await run(['cat'], { input: 'text' })).stdout).toBe('text');
    expect((await run(['cat'], { input: Buffer.from('bytes') })).stdout).toBe('bytes');
    expect((await run(['cat'], { input: Readable.from(['a', 'b']) })).stdout).toBe('ab');
  });

  test('a program that leaves its input unread is no error', async () => {
    await run(['true'], { input: 'x'.repeat(1 << 20) });
  });

  test('an argument is never seen by a shell', async () => {
    expect((await run(['echo', '$(id)', ';', '`id`'])).stdout).toBe('$(id) ; `id`\n');
  });

  test('a failure carries status, outputs and the last words', async () => {
    const error = await failure(run(['sh', '-c', 'echo one >&2; echo two >&2; exit 3']));
    expect(error).toMatchObject({ exitCode: 3, signal: null, stderr: 'one\ntwo\n' });
    expect(error.message).toBe('sh failed with exit status 3: one; two');
  });

  test('a missing program is named with its package', async () => {
    const error = await failure(run(['no-such-program'], { debianPackage: 'some-package' }));
    expect(error.message).toBe('no-such-program could not be started: not found (Debian package some-package)');
  });

  test('a missing working directory is not taken for a missing program', async () => {
    const error = await failure(run(['true'], { cwd: '/no/such', debianPackage: 'coreutils' }));
    expect(error.message).toBe('true could not be started: no directory /no/such to work in');
  });

  test('lines arrive one by one, a carriage return ends one too', async () => {
    const lines: string[] = [];
    await run(['printf', 'a\\rb\\r\\nc\\n\\nlast'], { onStdout: (line) => lines.push(line) });
    expect(lines).toEqual(['a', 'b', 'c', '', 'last']);
  });

  test('an abort ends the process and rejects with the reason', async () => {
    const abort = new AbortController();
    const promise = run(['sleep', '100'], { signal: abort.signal });
    abort.abort(new Error('stop it'));
    await expect(promise).rejects.toThrow('stop it');
    expect(zombies()).toEqual([]);
  });

  test('variables are added or removed, the locale is fixed', async () => {
    const { stdout } = await run(['env'], { env: { HOST_TEST: 'yes', HOME: undefined } });
    expect(stdout).toContain('HOST_TEST=yes\n');
    expect(stdout).toContain('LC_ALL=C.UTF-8\n');
    expect(stdout).not.toMatch(/^HOME=/m);
  });

  test('runs as another user', async () => {
    expect((await run(['id', '-u'], { uid: 12345, gid: 12345 })).stdout).toBe('12345\n');
  });
});

describe('spawnStream', () => {
  test('connects programs by kernel pipes', async () => {
    const stream = spawnStream(
      [
        ['tr', 'a', 'b'],
        ['gzip', '-c'],
        ['gunzip', '-c'],
      ],
      { stdin: 'pipe' },
    );
    stream.stdin?.end('banana');
    expect(stream.stdout && (await text(stream.stdout))).toBe('bbnbnb');
    await stream.done;
  });

  test('the failure names the program that caused it, not those that broke with it', async () => {
    const stream = spawnStream([['yes'], ['sh', '-c', 'echo full >&2; exit 7']], { stdout: 'ignore' });
    expect((await failure(stream.done)).message).toBe('sh failed with exit status 7: full');
  });

  test('a missing program in the middle fails the whole and leaves nothing running', async () => {
    const stream = spawnStream([['yes'], ['no-such-program'], ['cat']], { stdout: 'ignore' });
    expect((await failure(stream.done)).message).toContain('no-such-program could not be started: not found');
    expect(zombies()).toEqual([]);
  });

  test('an abort ends all of them', async () => {
    const abort = new AbortController();
    const stream = spawnStream([['yes'], ['cat']], { stdout: 'ignore', signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(stream.done).rejects.toThrow('enough');
    expect(zombies()).toEqual([]);
  });

  test('closes every descriptor it made', async () => {
    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    await spawnStream([['true'], ['true'], ['true']], { stdout: 'ignore' }).done;
    expect(count()).toBe(before);
  });
});

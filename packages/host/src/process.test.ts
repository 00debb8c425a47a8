import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { peerCredentials } from './peer-credentials.ts';
import { openProcess } from './pidfd.ts';
import {
  bootTime,
  childProcesses,
  isSameProcess,
  namespaceId,
  openProcessRoot,
  processArguments,
  processStartTime,
  processStat,
  processStatus,
  uptime,
} from './process.ts';
import { run } from './run.ts';

const NOBODY = 2 ** 22 - 1; // the highest process id there can be

async function start(program: string, ...args: string[]) {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error('not started');
  return { child, pid };
}

test('a process is known by its number and start time', async () => {
  const before = Date.now();
  const { child, pid } = await start('sleep', '100');
  expect(processStat(pid)).toMatchObject({ name: 'sleep', parent: process.pid });
  expect(processArguments(pid)).toEqual(['sleep', '100']);
  expect(processStatus(pid)?.get('PPid')).toBe(`${process.pid}`);
  expect(childProcesses(process.pid)).toContain(pid);
  const ticks = processStat(pid)?.startTicks ?? 0;
  expect(isSameProcess(pid, ticks)).toBe(true);
  expect(isSameProcess(pid, ticks + 1)).toBe(false);
  // btime is rounded to seconds
  expect(Math.abs((processStartTime(pid)?.getTime() ?? 0) - before)).toBeLessThan(2000);
  child.kill();
  await once(child, 'exit');
  expect(isSameProcess(pid, ticks)).toBe(false);
  expect(processStat(pid)).toBeUndefined();
  expect(processStatus(pid)).toBeUndefined();
  expect(processArguments(pid)).toBeUndefined();
  expect(namespaceId(pid, 'net')).toBeUndefined();
});

test('boot time and uptime agree', () => {
  expect(Math.abs(bootTime().getTime() + uptime() * 1000 - Date.now())).toBeLessThan(2000);
});

test('namespaces are told apart', async () => {
  const { child, pid } = await start('unshare', '--net', 'cat');
  child.stdin.write('x');
  await expect.poll(() => namespaceId(pid, 'net')).not.toBe(namespaceId('self', 'net'));
  expect(namespaceId(pid, 'mnt')).toBe(namespaceId('self', 'mnt'));
  child.kill();
  await once(child, 'exit');
});

test('the root of a process holds what is reached through it', () => {
  using root = openProcessRoot(process.pid);
  expect(root.stat('/etc/passwd').isFile()).toBe(true);
  expect(() => openProcessRoot(NOBODY)).toThrow('ENOENT');
});

test('a handle reports the end of a process and kills no other', async () => {
  const { child, pid } = await start('sleep', '100');
  using handle = openProcess(pid);
  const exited = handle?.exited();
  expect(handle?.kill('SIGKILL')).toBe(true);
  await exited;
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(handle?.kill('SIGKILL')).toBe(false);
  await handle?.exited();
  expect(openProcess(NOBODY)).toBeUndefined();
});

test('waiting for the end of a process can be given up', async () => {
  using handle = openProcess(process.pid);
  await expect(handle?.exited(AbortSignal.timeout(20))).rejects.toThrow('timeout');
});

test('the process at the other end of a Unix socket is known', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'host-peer-'));
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  chmodSync(directory, 0o755);
  chmodSync(path, 0o777);
  try {
    const connection = once(server, 'connection');
    // Not this Node: its file may lie in a home that others cannot enter.
    const script = '$socket = IO::Socket::UNIX->new($ARGV[0]) or die $!; <$socket>';
    const client = run(['perl', '-MIO::Socket::UNIX', '-e', script, path], { uid: 1234, gid: 2345 });
    const [accepted]: Socket[] = await connection;
    if (!accepted) throw new Error('no connection');
    const credentials = peerCredentials(accepted);
    expect(credentials).toMatchObject({ uid: 1234, gid: 2345 });
    expect(processArguments(credentials?.pid ?? 0)).toContain(path);
    accepted.destroy();
    expect(peerCredentials(accepted)).toBeUndefined();
    await client;
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

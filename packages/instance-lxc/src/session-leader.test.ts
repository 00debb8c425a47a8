import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from '@lxd-ts/host';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionLeader } from './session-leader.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'session-leader-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const emulators: Readonly<Record<string, string>> = {
  x64: '/usr/bin/qemu-x86_64-static',
  arm64: '/usr/bin/qemu-aarch64-static',
};

describe.each(['x64', 'arm64'])('on %s', (architecture) => {
  /** Runs it as the kernel would: `argv[0]` is what it executes, the rest becomes that program's arguments. */
  const lead = async (program: string, ...argv: string[]) => {
    const file = join(directory, architecture);
    await writeFile(file, sessionLeader(architecture) ?? '');
    await chmod(file, 0o755);
    if (architecture === process.arch) {
      return run(['bash', '-c', 'file=$0; name=$1; shift; exec -a "$name" "$file" "$@"', file, program, ...argv]);
    }
    return run([emulators[architecture] ?? '', '-0', program, file, ...argv]);
  };
  const status = async (program: string) => {
    try {
      await lead(program, 'x');
      return 0;
    } catch (error) {
      return error instanceof CommandError ? error.exitCode : undefined;
    }
  };

  it('becomes the program with its arguments and environment', async ({ skip }) => {
    if (architecture !== process.arch && !existsSync(emulators[architecture] ?? ''))
      skip('no emulator (qemu-user-static)');
    const { stdout } = await lead('/bin/sh', 'called-so', '-c', 'echo "$0 $1 $LC_ALL"', 'zero', 'one');
    expect(stdout).toBe('zero one C.UTF-8\n');
  });

  it('exits like a shell when it cannot', async ({ skip }) => {
    if (architecture !== process.arch && !existsSync(emulators[architecture] ?? ''))
      skip('no emulator (qemu-user-static)');
    expect(await status('/no/such/program')).toBe(127);
    expect(await status('/etc/passwd')).toBe(126);
    expect(await status('/bin/true')).toBe(0);
  });
});

it('does not exist for an architecture it is not written for', () => {
  expect(sessionLeader('mips')).toBeUndefined();
});

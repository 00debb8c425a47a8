import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from '@lxd-ts/host';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gateFd, type LauncherSteps, launcher } from './launcher.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lxc-launcher-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const emulators: Readonly<Record<string, string>> = {
  x64: '/usr/bin/qemu-x86_64-static',
  arm64: '/usr/bin/qemu-aarch64-static',
};

const terminal = { gate: false, terminal: true };
const both = { gate: true, terminal: true };

describe.each(['x64', 'arm64'])('on %s', (architecture) => {
  /** What the gate says: a byte opens it, none closes it. */
  let gate = 'x';
  /** Runs it as the kernel would: `argv[0]` is what it executes, the rest becomes that program's arguments. */
  const lead = async (steps: LauncherSteps, program: string, ...argv: string[]) => {
    const file = join(directory, architecture);
    await writeFile(file, launcher(architecture, steps) ?? '');
    await chmod(file, 0o755);
    if (architecture === process.arch) {
      const exec = `file=$0; name=$1; shift; exec ${gateFd}< <(printf "$GATE"); exec -a "$name" "$file" "$@"`;
      return run(['bash', '-c', exec, file, program, ...argv], { env: { GATE: gate } });
    }
    const exec = `exec ${gateFd}< <(printf "$GATE"); exec "$@"`;
    return run(['bash', '-c', exec, 'bash', emulators[architecture] ?? '', '-0', program, file, ...argv], {
      env: { GATE: gate },
    });
  };
  const status = async (program: string, steps = terminal) => {
    try {
      await lead(steps, program, 'x');
      return 0;
    } catch (error) {
      return error instanceof CommandError ? error.exitCode : undefined;
    }
  };

  it('becomes the program with its arguments and environment', async ({ skip }) => {
    if (architecture !== process.arch && !existsSync(emulators[architecture] ?? ''))
      skip('no emulator (qemu-user-static)');
    const { stdout } = await lead(terminal, '/bin/sh', 'called-so', '-c', 'echo "$0 $1 $LC_ALL"', 'zero', 'one');
    expect(stdout).toBe('zero one C.UTF-8\n');
  });

  it('waits at the gate', async ({ skip }) => {
    if (architecture !== process.arch && !existsSync(emulators[architecture] ?? ''))
      skip('no emulator (qemu-user-static)');
    gate = 'x';
    const { stdout } = await lead(
      both,
      '/bin/sh',
      'sh',
      '-c',
      `echo through; ls /proc/self/fd | grep -c ${gateFd} || true`,
    );
    expect(stdout).toBe('through\n0\n');
    gate = '';
    expect(await status('/bin/true', both)).toBe(125);
    expect(await status('/bin/true', { gate: true, terminal: false })).toBe(125);
    gate = 'x';
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
  expect(launcher('mips', both)).toBeUndefined();
});

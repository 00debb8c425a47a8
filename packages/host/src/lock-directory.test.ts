import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockDirectory } from './lock-directory.ts';

it('a directory is locked by one at a time, in any process, and free again when that one dies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'));
  try {
    const first = lockDirectory(folder);
    expect(first).toBeDefined();
    expect(lockDirectory(folder)).toBeUndefined();
    first?.[Symbol.dispose]();
    const other = spawn('flock', ['--no-fork', folder, 'sh', '-c', 'echo locked; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(other.stdout, 'data');
    expect(lockDirectory(folder)).toBeUndefined();
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(() => lockDirectory(join(folder, 'missing'))).toThrow('ENOENT');
    using again = lockDirectory(folder);
    expect(again).toBeDefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

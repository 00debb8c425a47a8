import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lxd } from '../support/lxd.ts';
import { output } from '../support/output.ts';
import { startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';

const python = ['/usr/bin/python3', join(import.meta.dirname, 'acceptance.py')] as const;
const checks = execFileSync(python[0], [python[1], '--list'], { encoding: 'utf8' }).trim().split('\n');

describe("Debian's python3-pylxd works unchanged", () => {
  let lxd: Lxd;
  beforeAll(async () => {
    lxd = await startInitialised(underTest);
  });
  afterAll(() => lxd[Symbol.asyncDispose]());

  test.each(checks)('%s', async (check) => {
    const command = lxd.namespace.inside([...python, check, busyboxImage().unified]);
    const { code, stderr } = await output(command, { env: lxd.environment });
    expect(code, stderr).toBe(0);
  });
});

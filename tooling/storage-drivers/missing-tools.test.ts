import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

/** Tries all drivers, and tells the kind of error of each and what it says. */
const program = `
import { drivers } from ${JSON.stringify(join(import.meta.dirname, 'drivers.ts'))};
const outcomes = await Promise.all(drivers.map(({ name, probe }) => probe().then(
  () => [name, 'works', ''],
  ({ kind, message }) => [name, kind, message],
)));
console.log(JSON.stringify(outcomes));
`;

test('[05.172 05.180 05.190 05.226 05.272] a driver whose tools are not installed says which, and the package that has them', () => {
  const empty = mkdtempSync(join(tmpdir(), 'no-tools-'));
  try {
    const answer = execFileSync(
      process.execPath,
      ['--conditions=lxd-ts-source', '--input-type=module', '--eval', program],
      { env: { PATH: empty }, encoding: 'utf8' },
    );
    const outcomes = z.array(z.tuple([z.string(), z.string(), z.string()])).parse(JSON.parse(answer));
    const packages: Readonly<Record<string, readonly [tool: string, name: string]>> = {
      dir: ['rsync', 'rsync'],
      btrfs: ['btrfs', 'btrfs-progs'],
      lvm: ['lvm', 'lvm2'],
      zfs: ['zfs', 'zfsutils-linux'],
      ceph: ['ceph', 'ceph-common'],
      cephfs: ['ceph', 'ceph-common'],
      cephobject: ['radosgw-admin', 'radosgw'],
    };
    expect(outcomes.map(([name]) => name)).toEqual(Object.keys(packages));
    for (const [name, kind, message] of outcomes) {
      expect(kind, `${name}: ${message}`).toBe('not-implemented');
      for (const word of packages[name] ?? []) expect(message).toContain(word);
    }
  } finally {
    rmSync(empty, { recursive: true });
  }
});

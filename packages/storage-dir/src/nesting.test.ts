import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { expect, it } from 'vitest';

/** What runs inside: a pool in the directory it is told, and all that needs no rights on the host. */
const program = `
import { readFile, writeFile } from 'node:fs/promises';
import { dir } from '@lxd-ts/storage-dir';
const spec = { name: 'pool', path: process.argv[1], disks: '/nowhere', config: {} };
const pool = await dir.open({ ...spec, config: await dir.create(spec) });
const volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: {} };
await pool.createVolume(volume, ({ path }) => writeFile(path + '/f', 'one'));
await pool.createSnapshot({ ...volume, snapshot: 's0' });
await writeFile(pool.path + '/custom/default_v/f', 'two');
await pool.copyVolume({ ...volume, name: 'w' }, volume, ['s0']);
await pool.restoreVolume(volume, 's0');
const seen = await Promise.all(['v', 'w'].map((name) => readFile(pool.path + '/custom/default_' + name + '/f', 'utf8')));
for (const name of ['v', 'w']) {
  await pool.deleteSnapshot({ ...volume, name, snapshot: 's0' });
  await pool.deleteVolume({ ...volume, name });
}
console.log(JSON.stringify({ seen, left: await pool.listVolumes() }));
await pool.delete();
`;

const unshare = ['unshare', '--user', '--map-root-user', '--mount'] as const;

it('[05.169] works in a user namespace, as in a container', async () => {
  await using context = await testContext('lxd-ts-dir-nesting');
  await mkdir(join(context.directory, 'inner'));
  const path = join(context.directory, 'inner/pool');
  const { stdout } = await run(
    [...unshare, process.execPath, '--conditions=lxd-ts-source', '--input-type=module', '--eval', program, path],
    { cwd: import.meta.dirname },
  );
  expect(JSON.parse(stdout)).toEqual({ seen: ['one', 'two'], left: [] });
});

import { join } from 'node:path';
import { testContext } from '@lxd-ts/driver-kit/testing';
import { run } from '@lxd-ts/host';
import { expect, it } from 'vitest';

/** What runs inside: a pool in the subvolume it is told, with everything that needs no rights on the host. */
const program = `
import { readFile, writeFile } from 'node:fs/promises';
import { btrfs } from '@lxd-ts/storage-btrfs';
const spec = { name: 'pool', path: process.argv[1], disks: '/nowhere', config: { source: process.argv[1] } };
const pool = await btrfs.open({ ...spec, config: await btrfs.create(spec) });
const volume = { type: 'custom', content: 'filesystem', project: 'default', name: 'v', config: { size: '1GiB' } };
await pool.createVolume(volume, ({ path }) => writeFile(path + '/f', 'one'));
await pool.createSnapshot({ ...volume, snapshot: 's0' });
await writeFile(pool.path + '/custom/default_v/f', 'two');
await pool.copyVolume({ ...volume, name: 'w' }, volume, ['s0']);
await pool.restoreVolume(volume, 's0');
const seen = [await readFile(pool.path + '/custom/default_v/f', 'utf8'), await readFile(pool.path + '/custom/default_w/f', 'utf8')];
const refused = await pool.resizeVolume(volume, 1e9).catch((error) => error.kind);
for (const name of ['v', 'w']) {
  await pool.deleteSnapshot({ ...volume, name, snapshot: 's0' });
  await pool.deleteVolume({ ...volume, name });
}
console.log(JSON.stringify({ seen, refused, left: await pool.listVolumes() }));
await pool.delete();
`;

const unshare = ['unshare', '--user', '--map-root-user', '--mount'] as const;

it('[05.175] works in a user namespace on a subvolume of the host, without its quotas', async () => {
  await using context = await testContext('lxd-ts-btrfs-nesting');
  const host = await context.fileSystem('btrfs', 256 * 1024 ** 2, { mount: 'user_subvol_rm_allowed' });
  const source = join(host, 'inner');
  await run(['btrfs', 'subvolume', 'create', source]);
  const { stdout } = await run(
    [...unshare, process.execPath, '--conditions=lxd-ts-source', '--input-type=module', '--eval', program, source],
    { cwd: import.meta.dirname },
  );
  expect(JSON.parse(stdout)).toEqual({ seen: ['one', 'two'], refused: 'not-implemented', left: [] });
});

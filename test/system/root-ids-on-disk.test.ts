/** Containers on a file system that cannot mount with an id map: their files have the ids of the host, and keep them wherever they go. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxImage } from '@lxd-ts/tooling/images/busybox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { farAddress, link, startListening } from '../support/linked.ts';
import type { Lxd } from '../support/lxd.ts';
import { debianLxc } from '../support/pools.ts';
import { ours, real } from '../support/programs.ts';
import { pool, recover } from '../support/recover.ts';

describe.each([
  ['this server', ours],
  ['LXD 5.0.2', real],
])('%s', (_title, programs) => {
  let lxd: Lxd;
  let far: Lxd;
  const lxc = (...args: string[]): Promise<string> => debianLxc(lxd, ...args);
  const shell = (name: string, script: string): Promise<string> => lxc('exec', name, '--', 'sh', '-c', script);

  /** Starts a container, expects that its files have the owners they had in the one that all come from, and deletes it. */
  const expectOwners = async (name: string, state: 'now' | 'then'): Promise<void> => {
    await lxc('start', name);
    expect(await shell(name, 'cat /mine; stat -c %u:%g /etc /bin/busybox /mine')).toBe(
      `${state}\n0:0\n0:0\n1000:1001\n`,
    );
    await lxc('delete', '--force', name);
  };

  beforeAll(async () => {
    [lxd, far] = [await startListening(programs), await startListening(ours)];
    await link(lxd, far);
    await lxc('remote', 'add', 'far', farAddress, '--password=secret', '--accept-certificate');
    await lxc('image', 'import', busyboxImage().unified, '--alias=busybox');
    await lxd.stop();
    lxd.environment.LXD_IDMAPPED_MOUNTS_DISABLE = '1';
    await lxd.start();
  }, 60_000);
  afterAll(async () => {
    await far?.[Symbol.asyncDispose]();
    await lxd?.[Symbol.asyncDispose]();
  });

  describe.each([
    ['plain', 'tree'],
    ['tree', 'plain'],
  ])('[03.147 05.85] in pool %s', (own, other) => {
    const file = (): string => join(lxd.folder, 'backup.tar.gz');

    beforeAll(async () => {
      await lxc('launch', 'busybox', 'c1', `--storage=${own}`, '--config=security.idmap.isolated=true');
      await shell('c1', 'echo then > /mine; chown 1000:1001 /mine');
      await lxc('snapshot', 'c1', 's0');
      await shell('c1', 'echo now > /mine');
      await lxc('stop', '--force', 'c1');
    });
    afterAll(() => lxc('delete', '--force', 'c1'));

    test.each(own === 'tree' ? [[''], ['--optimized-storage']] : [['']])(
      'exported, and imported by another server %s',
      async (...options) => {
        await lxc('export', 'c1', file(), ...options.filter(Boolean));
        await lxc('import', 'far:', file(), 'c2', `--storage=${own}`);
        await lxc('copy', 'far:c2', 'far:c3');
        await expectOwners('far:c3', 'now');
        await lxc('restore', 'far:c2', 's0');
        await expectOwners('far:c2', 'then');
      },
    );

    /** What a crash in the middle of a change of the ids on disk leaves in the configuration. */
    const cutShort = (on: Lxd, name: string): Promise<string> => {
      const map = JSON.stringify([{ Isuid: true, Isgid: true, Hostid: 500_000, Nsid: 0, Maprange: 65_536 }]);
      return on.admin([
        'sql',
        'global',
        `INSERT INTO instances_config (instance_id, key, value)
          SELECT id, 'volatile.idmap.shifting', '${map}' FROM instances WHERE name = '${name}'`,
      ]);
    };

    test('on another server, which mounts with id maps, and back', async () => {
      for (const storage of [own, other]) {
        await lxc('copy', 'c1', 'far:c2', `--storage=${storage}`);
        await lxc('copy', 'far:c2', 'c3', `--storage=${own}`);
        await lxc('copy', 'far:c2/s0', 'c4');
        await expectOwners('c3', 'now');
        await expectOwners('c4', 'then');
        // Debian's client wants a copy that is brought up to date in a pool of the same name.
        if (storage === own) {
          await cutShort(far, 'c2');
          await lxc('copy', 'c1', 'far:c2', '--refresh');
        }
        await lxc('restore', 'far:c2', 's0');
        await expectOwners('far:c2', 'then');
      }
    });

    if (programs !== ours) return;

    test('a snapshot with other ids than the container on another server', async () => {
      await lxc('copy', 'c1', 'c2');
      await lxc('start', 'c2');
      await lxc('stop', '--force', 'c2');
      await lxc('copy', 'c2/s0', 'far:c3');
      await expectOwners('far:c3', 'then');
      await expectOwners('c2', 'now');
    });

    test('one whose change of ids was cut short goes to another server when that is done', async () => {
      await lxc('copy', 'c1', 'c2');
      await cutShort(lxd, 'c2');
      await expect(lxc('copy', 'c2', 'far:c2')).rejects.toThrow('start and stop the container once');
      await lxc('start', 'c2');
      await lxc('stop', '--force', 'c2');
      await lxc('copy', 'c2', 'far:c2');
      await expectOwners('far:c2', 'now');
      await expectOwners('c2', 'now');
    });

    test('copies of the container and of a snapshot, in this pool and the other', async () => {
      for (const storage of [own, other]) {
        await lxc('copy', 'c1', 'c2', `--storage=${storage}`);
        await lxc('copy', 'c2', 'c3', `--storage=${own}`);
        await lxc('copy', 'c2/s0', 'c4');
        await expectOwners('c3', 'now');
        await expectOwners('c4', 'then');
        await lxc('restore', 'c2', 's0');
        await expectOwners('c2', 'then');
      }
    });

    test('snapshots restored after the ids have changed, and copies brought up to date', async () => {
      await lxc('copy', 'c1', 'c2');
      await lxc('start', 'c2');
      await lxc('stop', '--force', 'c2');
      await lxc('copy', 'c1', 'c2', '--refresh');
      await lxc('copy', 'c2', 'c3');
      await expectOwners('c3', 'now');
      await lxc('start', 'c2');
      await lxc('restore', 'c2', 's0');
      await lxc('stop', '--force', 'c2');
      await expectOwners('c2', 'then');
    });

    test('a container that is moved to the other pool, and is privileged from then on', async () => {
      await lxc('copy', 'c1', 'c2');
      await lxc('move', 'c2', `--storage=${other}`);
      await lxc('config', 'set', 'c2', 'security.idmap.isolated=', 'security.privileged=true');
      await lxc('restore', 'c2', 's0');
      await expectOwners('c2', 'then');
    });

    test('images of the container and of a snapshot', async () => {
      await lxc('publish', 'c1', '--alias=now');
      await lxc('publish', 'c1/s0', '--alias=then', '--compression=none');
      for (const state of ['now', 'then'] as const) {
        await lxc('init', state, 'c2');
        await expectOwners('c2', state);
        await lxc('image', 'delete', state);
      }
    });

    test.each(own === 'tree' ? [[''], ['--optimized-storage']] : [['']])(
      'exported and imported %s',
      async (...options) => {
        await lxc('export', 'c1', file(), ...options.filter(Boolean));
        await lxc('import', file(), 'c2', `--storage=${own}`);
        await lxc('copy', 'c2', 'c3');
        await expectOwners('c3', 'now');
        await lxc('restore', 'c2', 's0');
        await expectOwners('c2', 'then');
      },
    );
  });

  if (programs === ours)
    test('[03.147 10.REC-03] after the database is lost they are recovered with their snapshots', async () => {
      const source = join(lxd.folder, 'storage-pools/plain');
      await lxc('launch', 'busybox', 'c1', '--storage=plain', '--config=security.idmap.isolated=true');
      await shell('c1', 'echo then > /mine; chown 1000:1001 /mine');
      await lxc('snapshot', 'c1', 's0');
      await shell('c1', 'echo now > /mine');
      await lxc('stop', '--force', 'c1');
      await lxd.kill();
      rmSync(join(lxd.folder, 'database'), { recursive: true });
      await lxd.start();
      const { code } = await recover(lxd, ours, ...pool('plain', 'dir', source), 'no', 'yes', 'yes');
      expect(code).toBe(0);
      await lxc('copy', 'c1', 'c2');
      await lxc('copy', 'c1/s0', 'c3');
      await expectOwners('c2', 'now');
      await expectOwners('c3', 'then');
      await lxc('restore', 'c1', 's0');
      await expectOwners('c1', 'then');
    });
});

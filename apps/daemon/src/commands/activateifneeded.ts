import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@lxd-ts/client';
import { eq, localSchema, openDatabases, schema } from '@lxd-ts/database';
import { isTrue } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { directoriesOf } from '../core/directories.ts';
import { createInstanceStore } from '../instances/store.ts';

/** Why the daemon should run, if it should. */
const reason = async (databaseDirectory: string): Promise<string | undefined> => {
  const { local, global } = await openDatabases(databaseDirectory);
  try {
    const [address] = await local.read((tx) =>
      tx.select().from(localSchema.config).where(eq(localSchema.config.key, 'core.https_address')),
    );
    if (address) return 'it listens on the network';
    const instances = await createInstanceStore(global).list();
    if (instances.some((one) => isTrue(one.expanded.config['boot.autostart']))) return 'instances start with it';
    if (instances.some((one) => one.config['volatile.last_state.power'] === 'RUNNING')) return 'instances were running';
    if (instances.some((one) => one.expanded.config['snapshots.schedule'])) return 'snapshots are scheduled';
    const [volume] = await global.read((tx) =>
      tx.select().from(schema.storageVolumesConfig).where(eq(schema.storageVolumesConfig.key, 'snapshots.schedule')),
    );
    return volume ? 'snapshots of volumes are scheduled' : undefined;
  } finally {
    await Promise.all([local.close(), global.close()]);
  }
};

export const activateifneededCommand = defineCommand({
  meta: { name: 'activateifneeded', description: 'Check if LXD should be started' },
  async run() {
    const directories = directoriesOf();
    const exists = await access(join(directories.database, 'global', 'db.bin')).then(
      () => true,
      () => false,
    );
    if (!exists || (await reason(directories.database)) === undefined) return;
    // Under socket activation the connection itself starts the daemon.
    const client = connect({ kind: 'unix', socketPath: directories.socket });
    try {
      await client.get([]);
    } finally {
      client.close();
    }
  },
});

/**
 * Writes to the global database in the directory given, without end, and prints the number of each transaction once it is
 * acknowledged. Meant to be killed.
 *
 * Transaction `n` makes the instances `n-a` and `n-b`, and sets the server configuration's key `last` to `n`.
 */
import { writeSync } from 'node:fs';
import { insertRow, loadServerConfig, patchServerConfig, replaceConfig, schema } from '../src/index.ts';
import { instanceRow, openGlobal } from './member.ts';

const db = await openGlobal(process.argv[2] ?? '');
const { last } = await db.read((tx) => loadServerConfig(tx, schema.config));
for (let n = Number(last ?? 0) + 1; ; n++) {
  await db.transaction(async (tx) => {
    for (const half of ['a', 'b']) {
      const id = await insertRow(tx, schema.instances, instanceRow(`${n}-${half}`));
      await replaceConfig(tx, schema.instancesConfig, id, { n: String(n), padding: 'x'.repeat(500) });
    }
    await patchServerConfig(tx, schema.config, { last: String(n) });
  });
  writeSync(1, `${n}\n`);
}

import { defineCommand } from 'citty';
import { serverVersion } from '../server/version.ts';

export const versionCommand = defineCommand({
  meta: { name: 'version', description: 'Show the server version' },
  run() {
    process.stdout.write(`${serverVersion}\n`);
  },
});

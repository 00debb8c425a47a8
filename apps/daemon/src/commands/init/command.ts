import { connect } from '@lxd-ts/client';
import { badRequest } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { stringify } from 'yaml';
import { directoriesOf } from '../../core/directories.ts';
import { askOnTerminal } from '../questions.ts';
import { dumpConfiguration } from './dump.ts';
import { askedPlan, autoPlan, minimalPlan, situationOf } from './plan.ts';
import { applyPreseed, readPreseed } from './preseed.ts';

const readInput = async (): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

export const initCommand = defineCommand({
  meta: { name: 'init', description: 'Configure the LXD daemon' },
  args: {
    auto: { type: 'boolean', description: 'Automatic (non-interactive) mode' },
    minimal: { type: 'boolean', description: 'Minimal configuration (non-interactive)' },
    preseed: { type: 'boolean', description: 'Pre-seed mode, expects YAML config from stdin' },
    dump: { type: 'boolean', description: 'Dump YAML config to stdout' },
    'network-address': { type: 'string', description: 'Address to bind LXD to (default: none)' },
    'network-port': { type: 'string', description: 'Port to bind LXD to (default: 8443)' },
    'storage-backend': { type: 'string', description: 'Storage backend to use (default: dir)' },
    'storage-create-device': { type: 'string', description: 'Setup device based storage using DEVICE' },
    'storage-create-loop': { type: 'string', description: 'Setup loop based storage with SIZE in GB' },
    'storage-pool': { type: 'string', description: 'Storage pool to use or create' },
    'trust-password': { type: 'string', description: 'Password required to add new clients' },
  },
  async run({ args }) {
    const modes = [args.auto, args.minimal, args.preseed, args.dump].filter(Boolean).length;
    if (modes > 1) throw badRequest("Can't use --auto, --minimal, --preseed and --dump together");
    const client = connect({ kind: 'unix', socketPath: directoriesOf().socket });
    try {
      if (args.dump) {
        process.stdout.write(await dumpConfiguration(client));
        return;
      }
      if (args.preseed) {
        await applyPreseed(client, readPreseed(await readInput()));
        return;
      }
      const situation = await situationOf(client);
      if (args.minimal) {
        await applyPreseed(client, minimalPlan(situation));
        return;
      }
      if (args.auto) {
        await applyPreseed(
          client,
          autoPlan(situation, {
            networkAddress: args['network-address'],
            networkPort: args['network-port'],
            backend: args['storage-backend'],
            device: args['storage-create-device'],
            loop: args['storage-create-loop'],
            pool: args['storage-pool'],
            trustPassword: args['trust-password'],
          }),
        );
        return;
      }
      using questions = askOnTerminal();
      const { plan, print } = await askedPlan(situation, questions);
      if (print) process.stdout.write(stringify(plan));
      await applyPreseed(client, plan);
    } finally {
      client.close();
    }
  },
});

import { connect } from '@lxd-ts/client';
import { messageOf } from '@lxd-ts/driver-kit';
import { defineCommand } from 'citty';
import { directoriesOf } from '../core/directories.ts';
import { askOnTerminal } from './questions.ts';
import { recoverByDialogue } from './recover-dialogue.ts';

export const recoverCommand = defineCommand({
  meta: {
    name: 'recover',
    description: 'Recover missing instances and volumes from existing and unknown storage pools',
  },
  async run() {
    const client = connect({ kind: 'unix', socketPath: directoriesOf().socket });
    try {
      using questions = askOnTerminal();
      await recoverByDialogue(client, questions, (line) => process.stdout.write(`${line}\n`));
    } catch (error) {
      // In LXD's words, without where it happened.
      process.stderr.write(`Error: ${messageOf(error)}\n`);
      process.exitCode = 1;
    } finally {
      client.close();
    }
  },
});

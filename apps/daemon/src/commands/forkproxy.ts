import { closeSync, writeSync } from 'node:fs';
import { defineCommand } from 'citty';
import { runForwarder } from '../devices/proxy/forwarder.ts';

/** The pipe on which the daemon hears `ready`, or why not. */
const answerFd = 3;

const answer = (text: string): void => {
  writeSync(answerFd, text);
  closeSync(answerFd);
};

export const forkproxyCommand = defineCommand({
  meta: { name: 'forkproxy', description: 'Serve a proxy device', hidden: true },
  args: { job: { type: 'positional', description: 'File that says what to forward', required: true } },
  async run({ args }) {
    try {
      await runForwarder(args.job);
    } catch (error) {
      answer(error instanceof Error ? error.message : String(error));
      process.exit(1);
    }
    answer('ready');
  },
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type InstanceSuite, output } from './suite.ts';

export const consoleTests = ({ start, newMachine }: InstanceSuite): void => {
  describe('console', () => {
    it('shows what init writes and passes on what is typed', async () => {
      const instance = await start();
      await using session = await instance.console({ width: 90, height: 30 });
      let shown = '';
      session.output.on('data', (data) => {
        shown += data;
      });
      session.input.write('hello\n');
      await expect.poll(() => shown).toContain('heard hello');
      expect(await output(instance, 'stty size < /dev/console')).toBe('30 90');
      session.resize(120, 44);
      expect(await output(instance, 'stty size < /dev/console')).toBe('44 120');
    });

    it('can be connected again after it was closed, and closes with the instance', async () => {
      const instance = await start();
      const first = await instance.console({ width: 80, height: 24 });
      await expect(instance.console({ width: 80, height: 24 })).rejects.toMatchObject({ kind: 'conflict' });
      await first[Symbol.asyncDispose]();
      await first.closed;
      const second = await instance.console({ width: 80, height: 24 });
      second.output.resume();
      await instance.kill();
      await second.closed;
    });

    it('what init writes is kept in console.log', async () => {
      const machine = await newMachine();
      await start(machine);
      await expect.poll(() => readFile(join(machine.logs, 'console.log'), 'utf8').catch(() => '')).toContain('booted');
    });
  });
};

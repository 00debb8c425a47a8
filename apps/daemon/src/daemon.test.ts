import { pino } from 'pino';
import { expect, test } from 'vitest';
import { directoriesOf } from './core/directories.ts';
import { startDaemon } from './daemon.ts';
import { createEvents } from './events/bus.ts';
import { startTestDaemon } from './testing/daemon.ts';

test('a second daemon on the same directory is refused, and the first one goes on', async () => {
  await using daemon = await startTestDaemon();
  const second = () =>
    startDaemon({
      directories: directoriesOf(daemon.folder),
      log: pino({ level: 'silent' }),
      events: createEvents(),
      onShutdown: () => undefined,
    });
  await expect(second()).rejects.toMatchObject({ kind: 'conflict', message: 'LXD is already running' });
  expect(await daemon.run('GET', '/1.0/storage-pools')).toEqual(['/1.0/storage-pools/default']);
  await daemon.restart(async () => {
    // It is free while none runs: another one starts, and ends.
    await (await second()).stop();
  });
  expect(await daemon.run('GET', '/1.0/storage-pools')).toEqual(['/1.0/storage-pools/default']);
  await expect(second()).rejects.toThrow('already running');
});

import { expect, test } from 'vitest';
import { startInitialised } from './preseed.ts';
import { real } from './programs.ts';

test('the harness starts the real LXD, runs a container, kills and restarts the daemon, and removes it all', async () => {
  await using lxd = await startInitialised(real);
  expect(await lxd.lxc(['launch', 'busybox', 'c1'])).toMatchObject({ code: 0 });
  await lxd.kill();
  await lxd.start();
  expect(await lxd.lxc(['exec', 'c1', '--', 'hostname'])).toEqual({ code: 0, stdout: 'c1\n', stderr: '' });
});

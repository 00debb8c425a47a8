import { afterAll, beforeAll, expect, test } from 'vitest';
import { lxc } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';

let lxd: Lxd;
beforeAll(async () => {
  lxd = await startInitialised(underTest);
});
afterAll(() => lxd[Symbol.asyncDispose]());

test('[03.161] a container makes the devices that harm nobody when it is told so, and goes on when the daemon was away', async () => {
  await lxc(lxd, 'launch', 'busybox', 'plain');
  await expect(lxc(lxd, 'exec', 'plain', '--', 'mknod', '/root/null', 'c', '1', '3')).rejects.toThrow(/not permitted/);
  await lxc(lxd, 'launch', 'busybox', 'c1', '-c', 'security.syscalls.intercept.mknod=true');
  const make = async (file: string): Promise<string> => {
    await lxc(lxd, 'exec', 'c1', '--', 'mknod', file, 'c', '1', '3');
    return lxc(lxd, 'exec', 'c1', '--', 'stat', '-c', '%F %t:%T', file);
  };
  expect(await make('/root/null')).toBe('character special file 1:3\n');
  await lxd.kill();
  await lxd.start();
  expect(await make('/root/again')).toBe('character special file 1:3\n');
  await expect(lxc(lxd, 'exec', 'c1', '--', 'mknod', '/root/sda', 'b', '8', '0')).rejects.toThrow(/not permitted/);
  await lxc(lxd, 'delete', '--force', 'c1', 'plain');
});

test('a key that this server cannot serve is refused by its name', async () => {
  await expect(lxc(lxd, 'launch', 'busybox', 'c2', '-c', 'security.syscalls.intercept.bpf=true')).rejects.toThrow(
    'security.syscalls.intercept.bpf',
  );
});

import { debianImage } from '@lxd-ts/tooling/images/debian';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressOf, inside, lxc, tryInside } from '../support/instance.ts';
import type { Lxd } from '../support/lxd.ts';
import { makeOutside, type Outside } from '../support/outside.ts';
import { bridgeAddress, startInitialised } from '../support/preseed.ts';
import { underTest } from '../support/programs.ts';
import { eventually } from '../support/wait.ts';

describe('a Debian container with systemd', () => {
  let lxd: Lxd;
  let outside: Outside;
  beforeAll(async () => {
    const image = debianImage();
    lxd = await startInitialised(underTest);
    outside = await makeOutside(lxd);
    await lxc(lxd, 'image', 'import', image.metadata, image.rootfs, '--alias', 'debian');
    await lxc(lxd, 'launch', 'debian', 'd1');
    await lxc(lxd, 'launch', 'busybox', 'd2');
  }, 300_000);
  afterAll(async () => {
    await outside[Symbol.asyncDispose]();
    await lxd[Symbol.asyncDispose]();
  });

  test('boots until systemd says that all is running', async () => {
    const state = await eventually(
      () => tryInside(lxd, 'd1', 'systemctl', 'is-system-running'),
      ({ stdout }) => /^(running|degraded)/.test(stdout),
      60_000,
    );
    const failed = await inside(lxd, 'd1', 'systemctl', '--failed', '--no-legend', '--plain');
    expect([state.stdout.trim(), failed]).toEqual(['running', '']);
  });

  test('knows its name', async () => {
    expect(await inside(lxd, 'd1', 'hostname')).toBe('d1\n');
    expect(await inside(lxd, 'd1', 'cat', '/etc/hostname')).toBe('d1\n');
    expect(await inside(lxd, 'd1', 'cat', '/etc/hosts')).toContain('127.0.1.1\td1\n');
  });

  test('gets an address by DHCP from the range of its network, with a default route', async () => {
    expect(await addressOf(lxd, 'd1')).toMatch(/^10\.88\.0\.\d+$/);
    expect(await inside(lxd, 'd1', 'ip', 'route')).toMatch(`default via ${bridgeAddress} dev eth0 proto dhcp`);
  });

  test('resolves another container by its name', async () => {
    const address = await addressOf(lxd, 'd2');
    expect(await inside(lxd, 'd1', 'resolvectl', 'query', 'd2.lxd')).toContain(`d2.lxd: ${address}`);
    expect(await inside(lxd, 'd1', 'ping', '-c1', '-W5', 'd2.lxd')).toContain('1 received');
  });

  test('reaches the world through the address of its host', async () => {
    await addressOf(lxd, 'd2');
    expect(await inside(lxd, 'd2', 'nc', '-w', '5', outside.address, `${outside.port}`)).toBe(`${outside.gateway}\n`);
  });

  test('stops on request, without force', async () => {
    await lxc(lxd, 'stop', 'd1', '--timeout=30');
    expect(await lxc(lxd, 'list', '^d1$', '--columns=s', '--format=csv')).toBe('STOPPED\n');
  });
});

import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addVeth, applyIp, bindMount, deleteLink, freeLinkName, linkExists, listLinks } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import type { MountAttachment, NicAttachment, NodeAttachment } from '../../device/contract.ts';
import { type InstanceSuite, output, sh } from './suite.ts';

export const deviceTests = ({ form, start, newMachine, context }: InstanceSuite): void => {
  /** A pair of links; one is for an instance. The other end vanishes with it. */
  const newNic = async (
    name: string,
    more: Partial<NicAttachment> = {},
  ): Promise<{ nic: NicAttachment; peer: string }> => {
    const [link, peer] = [freeLinkName('cfa'), freeLinkName('cfb')];
    context().defer(`delete ${peer}`, async () => {
      if (linkExists(peer)) await applyIp(deleteLink(peer));
    });
    await applyIp(addVeth(peer, { name: link }, { up: true }));
    return { nic: { kind: 'nic', device: name, link, name, ...more }, peer };
  };

  let count = 0;
  const newDirectory = async (): Promise<string> => {
    const directory = join(context().directory, `source${count++}`);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'file'), 'from the host\n');
    return directory;
  };
  const mountOf = (source: string, more: Partial<MountAttachment> = {}): MountAttachment => ({
    kind: 'mount',
    device: 'data',
    source,
    target: '/mnt/data',
    readonly: false,
    recursive: false,
    propagation: 'private',
    shift: false,
    ...more,
  });
  /** As the files of an instance look to itself: shifted on disk, or mounted with its id map. */
  const own = { shift: form.idmap !== undefined };

  const nicTests = () => {
    it('a link given at start is inside, with name, address, size, and up', async () => {
      const { nic, peer } = await newNic('eth0', { hwaddr: '00:16:3e:12:34:56', mtu: 1400 });
      const instance = await start(undefined, [nic]);
      expect(linkExists(nic.link)).toBe(false);
      const shown = await output(instance, 'ip link show eth0');
      expect(shown).toContain('00:16:3e:12:34:56');
      expect(shown).toContain('mtu 1400');
      expect(shown).toContain('UP');
      const { network } = await instance.usage();
      expect(network.eth0).toMatchObject({
        hwaddr: '00:16:3e:12:34:56',
        mtu: 1400,
        state: 'up',
        type: 'broadcast',
        hostName: peer,
      });
    });

    it('attach moves a link in while the instance runs, detach brings it back under its own name', async () => {
      const instance = await start();
      const { nic, peer } = await newNic('eth7', { hwaddr: '00:16:3e:aa:bb:cc', mtu: 1300 });
      await instance.attach(nic);
      expect(linkExists(nic.link)).toBe(false);
      expect(await output(instance, 'ip link show eth7')).toMatch(/UP.*mtu 1300|mtu 1300.*UP/s);
      expect((await instance.usage()).network.eth7).toMatchObject({ hwaddr: '00:16:3e:aa:bb:cc', hostName: peer });
      await instance.detach(nic);
      expect(linkExists(nic.link)).toBe(true);
      expect((await sh(instance, 'ip link show eth7')).status).not.toBe(0);
      expect(listLinks().find(({ name }) => name === nic.link)?.hwaddr).toBe('00:16:3e:aa:bb:cc');
    });

    it('links return to the host, or vanish with their namespace, when the instance stops', async () => {
      const first = await newNic('eth0');
      const instance = await start(undefined, [first.nic]);
      await instance.kill();
      // What the caller gave, it gets back.
      expect(linkExists(first.nic.link)).toBe(true);
    });
  };

  const mountTests = () => {
    it('a directory, a file and a read-only mount are there from the start', async () => {
      const source = await newDirectory();
      const instance = await start(undefined, [
        mountOf(source, own),
        mountOf(join(source, 'file'), { device: 'one', target: '/etc/one file', ...own }),
        mountOf(source, { device: 'fixed', target: '/deep/er/place', readonly: true, ...own }),
      ]);
      expect(await output(instance, 'cat /mnt/data/file "/etc/one file" /deep/er/place/file')).toBe(
        Array(3).fill('from the host').join('\n'),
      );
      expect(await output(instance, 'echo new > /mnt/data/new; stat -c %u /mnt/data/new /mnt/data/file')).toBe('0\n0');
      expect((await sh(instance, 'touch /deep/er/place/x')).stderr).toContain('Read-only');
      // Written by root inside, it belongs to root outside, thanks to the id map of the mount.
      expect((await stat(join(source, 'new'))).uid).toBe(0);
    });

    it('a mount comes and goes while the instance runs', async () => {
      const source = await newDirectory();
      const instance = await start();
      const [data, fixed, file] = [
        mountOf(source, own),
        mountOf(source, { device: 'fixed', target: '/new/place', readonly: true, ...own }),
        mountOf(join(source, 'file'), { device: 'file', target: '/new/one', ...own }),
      ];
      for (const one of [data, fixed, file]) await instance.attach(one);
      expect(await output(instance, 'cat /mnt/data/file /new/place/file /new/one')).toBe(
        Array(3).fill('from the host').join('\n'),
      );
      expect(await output(instance, 'echo new > /mnt/data/new; stat -c %u /mnt/data/new')).toBe('0');
      expect((await sh(instance, 'touch /new/place/x')).stderr).toContain('Read-only');
      for (const one of [data, fixed, file]) await instance.detach(one);
      expect(
        await output(instance, 'ls /mnt/data /new/place; grep -c -e /mnt/data -e /new/ /proc/mounts || true'),
      ).toMatch(/0$/);
      await instance.detach(data);
      expect(await output(instance, 'echo well')).toBe('well');
    });

    it('mounts below the source come along only when asked', async () => {
      const source = await newDirectory();
      await mkdir(join(source, 'below'));
      const disk = await context().fileSystem('ext4', 16 << 20);
      await writeFile(join(disk, 'inner'), 'inner\n');
      await using _below = await bindMount(disk, join(source, 'below'));
      const instance = await start(undefined, [
        mountOf(source, { device: 'all', target: '/all', recursive: true }),
        mountOf(source, { device: 'top', target: '/top' }),
      ]);
      await instance.attach(mountOf(source, { device: 'later', target: '/later', recursive: true }));
      await instance.attach(mountOf(source, { device: 'latertop', target: '/latertop' }));
      expect(await output(instance, 'for d in all top later latertop; do echo $d: $(ls /$d/below); done')).toMatch(
        /^all:.*inner.*\ntop:\nlater:.*inner.*\nlatertop:$/,
      );
      await instance.kill();
    });

    it('no symlink in the instance leads a mount out of it', async () => {
      const source = await newDirectory();
      const outside = await newDirectory();
      const instance = await start();
      await output(instance, `mkdir -p ${outside}; ln -s ${outside} /out`);
      await instance.attach(mountOf(source, { target: '/out/place' }));
      await expect(stat(join(outside, 'place'))).rejects.toThrow('ENOENT');
      expect(await output(instance, `cat ${outside}/place/file`)).toBe('from the host');
    });
  };

  const nodeTests = () => {
    const zero: NodeAttachment = {
      kind: 'node',
      device: 'zero',
      type: 'char',
      major: 1,
      minor: 5,
      target: '/dev/sub/my-zero',
      mode: 0o640,
      uid: 5,
      gid: 6,
    };
    const look = 'stat -c "%t:%T %a %u:%g %F" /dev/sub/my-zero; head -c 3 /dev/sub/my-zero | od -An -tx1';
    const expected = '1:5 640 5:6 character special file\n 00 00 00';

    it('a device node is there from the start and can be used', async () => {
      const instance = await start(undefined, [zero]);
      expect(await output(instance, look)).toBe(expected);
    });

    it('a device node comes and goes while the instance runs', async () => {
      const machine = await newMachine();
      const instance = await start(machine);
      await instance.attach(zero);
      expect(await output(instance, look)).toBe(expected);
      await instance.detach(zero);
      expect((await sh(instance, 'test -e /dev/sub/my-zero')).status).toBe(1);
      await instance.detach(zero);
    });
  };

  describe('network interfaces', nicTests);
  describe('mounts', mountTests);
  describe('device nodes', nodeTests);
};

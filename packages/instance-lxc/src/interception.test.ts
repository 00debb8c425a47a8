import { existsSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, NodeAttachment, RunningInstance } from '@lxd-ts/driver-kit';
import { makeSuite, output, sh } from '@lxd-ts/driver-kit/testing';
import { contiguousIdMap, getXattr, processStat, run } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { elfProgram } from './elf.ts';
import { lxc } from './index.ts';

const suite = makeSuite(
  { driver: lxc, forms: [{ title: '' }], module: { url: '', name: '' } },
  { title: '', idmap: contiguousIdMap(1_000_000, 65_536) },
);
const key = (name: string) => `security.syscalls.intercept.${name}`;
const startWith = async (config: Config) => suite.start(await suite.newMachine(config));

describe('[03.160 03.159] mknod', () => {
  it('makes the harmless character devices, in an unprivileged container, and only when told so', async () => {
    const instance = await startWith({ [key('mknod')]: 'true' });
    const devices = ['0 0', '5 1', '1 7', '1 3', '1 8', '5 0', '1 9', '1 5'];
    const make = devices.map((device, at) => `mknod -m 640 /tmp/n${at} c ${device}`).join(' && ');
    expect(await output(instance, `${make}; cd /tmp; stat -c '%t %T %u:%g %a' n*`)).toBe(
      devices
        .map((device) => device.split(' ').map((number) => Number(number).toString(16)))
        .map(([major, minor]) => `${major} ${minor} 0:0 640`)
        .join('\n'),
    );
    expect(await output(instance, 'head -c 2 /tmp/n7 | od -An -tx1')).toBe(' 00 00');
    const without = await startWith({});
    expect((await sh(without, 'mknod /tmp/n c 1 3')).stderr).toContain('not permitted');
  });

  it('[03.161] leaves all else to the kernel', async () => {
    const instance = await startWith({ [key('mknod')]: 'true' });
    expect((await sh(instance, 'mknod /tmp/disk b 7 0')).stderr).toContain('not permitted');
    expect((await sh(instance, 'mknod /tmp/mem c 1 1')).stderr).toContain('not permitted');
    expect(await output(instance, 'mkfifo /tmp/pipe; stat -c %F /tmp/pipe')).toBe('fifo');
  });

  it('means paths as its caller does, and answers as the kernel would', async () => {
    const instance = await startWith({ [key('mknod')]: 'true' });
    const script = [
      'mkdir -p /a/b && cd /a/b && mknod ../relative c 1 3',
      'mkdir -p /jail/bin /jail/dev && cp /bin/busybox /jail/bin/ && chroot /jail /bin/busybox mknod /dev/null c 1 3',
      'ln -s /a /link && mknod /link/via c 1 3',
      'umask 027; mknod /a/masked c 1 5',
      'ls -d /a/relative /jail/dev/null /a/via; stat -c %a /a/masked',
    ];
    expect(await output(instance, script.join('\n'))).toBe('/a/relative\n/a/via\n/jail/dev/null\n640');
    expect((await sh(instance, 'mknod /a/via c 1 3')).stderr).toContain('File exists');
    expect((await sh(instance, 'mknod /no/such/place c 1 3')).stderr).toContain('No such file');
    expect((await sh(instance, 'mknod /tmp/x c 1 3', { uid: 33, gid: 33 })).stderr).toContain('not permitted');
    // Root of the container may write to directories of its other users.
    expect(await output(instance, 'mkdir -m 700 /own; chown 33 /own; mknod /own/x c 1 3; stat -c %u /own/x')).toBe('0');
  });
});

it('[03.170] sysinfo gives the figures of the container', async () => {
  const instance = await startWith({ [key('sysinfo')]: 'true', 'limits.memory': '64MiB' });
  // busybox's uptime and free read /proc; ours must not be there to help.
  const program = rawCall([99, { room: 112 }], { write: true });
  await putProgram(instance, 'ask', program);
  const { stdout } = await sh(instance, 'ask | od -An -tu8 -v -w8');
  const words = stdout.trim().split(/\s+/).map(Number);
  expect(words[4]).toBe(64 << 20);
  expect(words[5]).toBeLessThan(64 << 20);
  expect(words[0]).toBeLessThan(100);
});

describe.runIf(process.arch === 'x64')('calls made by hand', () => {
  it('[03.162] trusted.overlay.opaque can be set, other trusted attributes cannot', async () => {
    const instance = await startWith({ [key('setxattr')]: 'true' });
    await output(instance, 'mkdir /upper');
    const set = (name: string) => rawCall([188, '/upper', name, 'y', 1, 0]);
    await putProgram(instance, 'opaque', set('trusted.overlay.opaque'));
    await putProgram(instance, 'other', set('trusted.overlay.redirect'));
    await putProgram(instance, 'user', set('user.note'));
    expect((await sh(instance, 'opaque')).status).toBe(0);
    expect((await sh(instance, 'other')).status).toBe(1);
    expect((await sh(instance, 'user')).status).toBe(0);
    expect(getXattr(`/proc/${instance.pid}/root/upper`, 'trusted.overlay.opaque')?.toString()).toBe('y');
  });

  it('[03.169] the scheduling policy can be raised to SCHED_FIFO', async () => {
    const program = rawCall([144, 0, 1, '\x05\0\0\0']);
    // Some kernels want real-time processes budgeted per group.
    const budgeted = existsSync('/sys/fs/cgroup/cpu/cpu.rt_runtime_us');
    const raw: Config = budgeted ? { 'raw.lxc': 'lxc.cgroup.cpu.rt_runtime_us = 10000' } : {};
    const instance = await startWith({ [key('sched_setscheduler')]: 'true', ...raw });
    await putProgram(instance, 'raise', program);
    expect((await sh(instance, 'raise')).status).toBe(0);
    expect((await sh(instance, 'raise', { uid: 33, gid: 33 })).status).toBe(1);
    const without = await startWith({});
    await putProgram(without, 'raise', program);
    expect((await sh(without, 'raise')).status).toBe(1);
  });
});

describe('[03.164 03.165] mount', () => {
  /** A loop device with an ext4 file system, as a device of the instance. */
  const newDisk = async (): Promise<NodeAttachment> => {
    const file = join(suite.context().directory, `disk${Math.random()}.img`);
    await writeFile(file, '');
    await truncate(file, 16 << 20);
    await run(['mkfs.ext4', '-q', '-E', 'root_owner=0:0', file]);
    const device = (await run(['losetup', '--find', '--show', file])).stdout.trim();
    suite.context().defer(`detach ${device}`, () => run(['losetup', '--detach', device]));
    const minor = Number(device.replace('/dev/loop', ''));
    return {
      kind: 'node',
      device: 'disk',
      type: 'block',
      major: 7,
      minor,
      target: '/dev/disk',
      mode: 0o660,
      uid: 0,
      gid: 0,
    };
  };

  it('mounts the file systems that are allowed, and no others', async () => {
    const disk = await newDisk();
    const machine = await suite.newMachine({ [key('mount')]: 'true', [key('mount.allowed')]: 'ext4' });
    const instance = await suite.start(machine, [disk]);
    expect(await output(instance, 'mount -t ext4 /dev/disk /mnt; grep -c "/mnt ext4" /proc/mounts')).toBe('1');
    // Owners on it are not the container's.
    expect(await output(instance, 'stat -c %u /mnt')).toBe('65534');
    expect(await output(instance, 'umount /mnt; mount -t tmpfs x /mnt; umount /mnt; echo fine')).toBe('fine');
    expect((await sh(instance, 'mount -t xfs /dev/disk /mnt')).stderr).toContain('denied');
    expect((await sh(instance, 'mount -t ext4 /dev/disk /mnt', { uid: 33, gid: 33 })).status).not.toBe(0);
    await instance.update({ ...machine.config, [key('mount.allowed')]: 'xfs' }, [key('mount.allowed')]);
    expect((await sh(instance, 'mount -t ext4 /dev/disk /mnt')).stderr).toContain('denied');
    // A setting of other keys alone does nothing.
    const without = await suite.start(await suite.newMachine({ [key('mount.allowed')]: 'ext4' }), [await newDisk()]);
    expect((await sh(without, 'mount -t ext4 /dev/disk /mnt')).stderr).toContain('denied');
  });

  it('[03.168] shows owners through the id map when told to shift', async () => {
    const config = { [key('mount')]: 'true', [key('mount.allowed')]: 'ext4', [key('mount.shift')]: 'true' };
    const instance = await suite.start(await suite.newMachine(config), [await newDisk()]);
    expect(
      await output(instance, 'mount -t ext4 /dev/disk /mnt; stat -c %u /mnt; touch /mnt/x; stat -c %u /mnt/x'),
    ).toBe('0\n0');
    expect((await sh(instance, 'mknod /mnt/n c 1 3; umount /mnt')).stderr).toContain('not permitted');
  });

  it('[03.166] hugetlbfs belongs to the root of the container', async ({ skip }) => {
    if (!(await readFile('/proc/filesystems', 'utf8')).includes('hugetlbfs')) skip('the kernel has no hugetlbfs');
    const instance = await startWith({ [key('mount')]: 'true', [key('mount.allowed')]: 'hugetlbfs' });
    expect(await output(instance, 'mount -t hugetlbfs none /mnt; stat -c %u:%g /mnt; touch /mnt/x; echo $?')).toBe(
      '0:0\n0',
    );
  });

  it('[03.167] hands mounts over to a FUSE program', async () => {
    const config = { [key('mount')]: 'true', [key('mount.fuse')]: 'ext4=fuse-ext4' };
    const instance = await suite.start(await suite.newMachine(config), [await newDisk()]);
    const handler = '#!/bin/sh\\nmount -t tmpfs handled "$2" && echo "$* as $(id -u)" > "$2/said"';
    await output(instance, `printf '${handler}\\n' > /bin/fuse-ext4; chmod +x /bin/fuse-ext4`);
    const { stdout, stderr } = await sh(instance, 'mount -t ext4 -o ro /dev/disk /mnt; cat /mnt/said');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^\/dev\/disk \/mnt.* as 0\n$/);
    expect(() => lxc.validate({ [key('mount.fuse')]: 'ext4' })).toThrow('mount.fuse');
  });
});

it('a container outlives the process that served it, and is served again', async () => {
  const machine = await suite.newMachine({ [key('mknod')]: 'true' });
  const instance = await suite.start(machine);
  await output(instance, 'mknod /tmp/a c 1 3');
  const session = await instance.exec({
    command: ['sleep', '50'],
    environment: { PATH: '/bin' },
    cwd: '/',
    uid: 0,
    gid: 0,
  });
  process.kill(processStat(session.pid)?.parent ?? 0, 'SIGKILL');
  await expect(session.exit).rejects.toThrow('attach server');
  await expect.poll(async () => (await sh(instance, 'rm -f /tmp/b; mknod /tmp/b c 1 3')).status).toBe(0);
});

it('bpf() is refused with the name of the key', () => {
  expect(() => lxc.validate({ [key('bpf')]: 'true' })).toThrow(`"${key('bpf')}"`);
});

/** Puts a program into a running container. */
async function putProgram(instance: RunningInstance, name: string, program: Buffer): Promise<void> {
  const session = await instance.exec({
    command: ['sh', '-c', `cat > /bin/${name}; chmod 755 /bin/${name}`],
    environment: { PATH: '/bin:/usr/bin' },
    cwd: '/',
    uid: 0,
    gid: 0,
  });
  session.stdin.end(program);
  expect(await session.exit).toBe(0);
}

/**
 * A program for x86-64 that makes one system call and exits with 0 if it succeeds, else 1. Texts become pointers;
 * `room` is a pointer to so many bytes of stack, which are written to standard output afterwards.
 */
function rawCall(
  [number, ...args]: readonly [number, ...(number | string | { readonly room: number })[]],
  options: { readonly write?: boolean } = {},
): Buffer {
  const registers = ['48bf', '48be', '48ba', '49ba', '49b8', '49b9']; // mov rdi, rsi, rdx, r10, r8, r9, imm64
  const entry = 0x400000 + 120;
  const parts: { code: string; text?: string }[] = [{ code: '4881ec00020000' }]; // sub rsp, 512
  const room = args.find((arg) => typeof arg === 'object');
  args.forEach((arg, at) => {
    if (typeof arg === 'object')
      parts.push({ code: '4889e7' }); // mov rdi, rsp
    else if (typeof arg === 'string') parts.push({ code: registers[at] ?? '', text: arg });
    else parts.push({ code: `${registers[at]}${word(arg)}` });
  });
  parts.push({ code: `48b8${word(number)}0f05` }); // mov rax, number; syscall
  // test rax, rax; jns +; mov edi, 1; mov eax, 60; syscall
  parts.push({ code: '4885c0 790c bf01000000 b83c000000 0f05'.replaceAll(' ', '') });
  if (options.write && room) {
    // write(1, rsp, room)
    parts.push({ code: `bf01000000 4889e6 ba${half(room.room)} b801000000 0f05`.replaceAll(' ', '') });
  }
  parts.push({ code: '31ffb83c0000000f05' }); // exit(0)
  const length = parts.reduce((sum, { code, text }) => sum + code.length / 2 + (text === undefined ? 0 : 8), 0);
  let data = Buffer.alloc(0);
  const code = parts
    .map(({ code: bytes, text }) => {
      if (text === undefined) return bytes;
      const address = entry + length + data.length;
      data = Buffer.concat([data, Buffer.from(`${text}\0`, 'latin1')]);
      return `${bytes}${word(address)}`;
    })
    .join('');
  return elfProgram(62, Buffer.concat([Buffer.from(code, 'hex'), data]));
}

function word(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.toString('hex');
}

function half(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes.toString('hex');
}

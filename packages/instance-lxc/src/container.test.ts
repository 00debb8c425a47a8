import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, Machine } from '@lxd-ts/driver-kit';
import { collect, makeSuite, output, request, sh } from '@lxd-ts/driver-kit/testing';
import { contiguousIdMap, findMount, openProcessRoot, run } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { elfProgram } from './elf.ts';
import { lxc } from './index.ts';

const idmap = contiguousIdMap(1_000_000, 65_536);
const options = { driver: lxc, forms: [{ title: '' }], module: { url: '', name: '' } } as const;

describe('an unprivileged container', () => {
  const suite = makeSuite(options, { title: '', idmap });
  const startWith = async (config: Config = {}, change: Partial<Machine> = {}) =>
    suite.start({ ...(await suite.newMachine(config)), ...change });

  it('[03.129] maps its ids, and files look the same inside', async () => {
    const instance = await startWith();
    expect(await readFile(`/proc/${instance.pid}/uid_map`, 'utf8')).toMatch(/0\s+1000000\s+65536/);
    expect(await readFile(`/proc/${instance.pid}/gid_map`, 'utf8')).toMatch(/0\s+1000000\s+65536/);
    expect(await output(instance, 'stat -c %u:%g / /bin/busybox /root')).toBe('0:0\n0:0\n0:0');
    expect(await output(instance, 'touch /made; stat -c %u /made')).toBe('0');
  });

  it('runs on files that were shifted on disk, and refuses those of another map', async () => {
    const machine = await suite.newMachine();
    await run(['chown', '-R', '-h', '1000000:1000000', join(machine.path, 'rootfs')]);
    const instance = await suite.start({ ...machine, diskIdmap: idmap });
    expect(await output(instance, 'stat -c %u:%g /bin/busybox; touch /x; stat -c %u /x')).toBe('0:0\n0');
    await instance.kill();
    const other = { ...machine, diskIdmap: contiguousIdMap(5_000_000, 65_536) };
    await expect(lxc.start(other, [])).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('[03.381 03.382 03.383] runs /sbin/init as pid 1 with container=lxc and environment.* alone', async () => {
    const instance = await startWith({ 'environment.GREETING': 'hello  world "quoted"', 'environment.EMPTY': '' });
    const environment = await output(instance, "tr '\\0' '\\n' < /proc/1/environ | sort");
    expect(environment).toBe('GREETING=hello  world "quoted"\ncontainer=lxc');
    expect(await output(instance, 'cat /proc/1/comm')).toBe('init');
  });

  it('[03.384] has no descriptors of its starter', async () => {
    const instance = await startWith();
    // The shell has its script open as number 10.
    const open = await output(instance, 'for fd in 0 1 2 10; do readlink /proc/1/fd/$fd; done; ls /proc/1/fd');
    expect(open).toBe('/dev/pts/0\n/dev/pts/0\n/dev/pts/0\n/sbin/init\n0\n1\n10\n2');
  });

  it('[03.25] bears its own name', async () => {
    const machine = await suite.newMachine();
    const instance = await suite.start(machine);
    expect(await output(instance, 'hostname')).toBe(machine.name);
  });

  it('[03.373] has proc and sysfs, with cgroups left to its init', async () => {
    const instance = await startWith();
    const mounts = await output(instance, 'cat /proc/mounts');
    expect(mounts).toMatch(/^proc \/proc proc rw/m);
    expect(mounts).toMatch(/ \/sys sysfs rw/);
    expect(await output(instance, 'cat /proc/self/cgroup')).toMatch(/^\d+:[^:]*:\/(\.lxc)?$/m);
  });

  it('[03.371 03.372] gets the directories it lacks', async () => {
    const machine = await suite.newMachine();
    for (const name of ['dev', 'proc', 'sys']) await rm(join(machine.path, 'rootfs', name), { recursive: true });
    const instance = await suite.start(machine);
    expect(await output(instance, 'ls -d /dev/null /proc/1 /sys/class')).toBe('/dev/null\n/proc/1\n/sys/class');
  });

  it('[03.212 03.377 03.378] has the standard devices on a small tmpfs, and lo', async () => {
    const instance = await startWith();
    expect(await output(instance, 'grep " /dev " /proc/mounts')).toMatch(/tmpfs rw.*size=\d+k/);
    const nodes = ['null', 'zero', 'full', 'console', 'tty', 'random', 'urandom', 'net/tun', 'fuse', 'ptmx'];
    expect(await output(instance, `cd /dev; for n in ${nodes.join(' ')}; do test -c $n || echo missing $n; done`)).toBe(
      '',
    );
    expect(await output(instance, 'cd /dev; ls -d fd stdin stdout stderr mqueue')).toBe(
      'fd\nmqueue\nstderr\nstdin\nstdout',
    );
    expect(await output(instance, 'echo x > /dev/null; head -c 2 /dev/zero | od -An -tx1')).toBe(' 00 00');
    expect(await output(instance, 'ip -o link')).toMatch(/^1: lo:/);
  });

  it('[03.380] has the host API directory at /dev/lxd when it is given one', async () => {
    const directory = join(suite.context().directory, 'devlxd');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'sock'), '');
    const instance = await startWith({}, { devlxd: directory });
    expect(await output(instance, 'ls /dev/lxd')).toBe('sock');
    const without = await startWith();
    expect((await sh(without, 'ls /dev/lxd')).status).toBe(1);
  });

  it('[03.376] sees its own figures where the host runs lxcfs', async ({ skip }) => {
    if ((await findMount('/var/lib/lxcfs'))?.type !== 'fuse.lxcfs') skip('lxcfs does not run');
    const instance = await startWith({ 'limits.memory': '96MiB', 'limits.cpu': '1' });
    expect(await output(instance, 'grep MemTotal /proc/meminfo')).toMatch(/ 98304 kB$/);
    expect(await output(instance, 'grep -c ^processor /proc/cpuinfo')).toBe('1');
    expect(Number((await output(instance, 'cat /proc/uptime')).split('.')[0])).toBeLessThan(60);
  });

  it('[03.130] has proc and sysfs for nested containers only when told so', async () => {
    const nested = await startWith({ 'security.nesting': 'true' });
    expect(await output(nested, 'ls -d /dev/.lxc/proc/1 /dev/.lxc/sys/class')).toBe(
      '/dev/.lxc/proc/1\n/dev/.lxc/sys/class',
    );
    const plain = await startWith();
    expect((await sh(plain, 'test -e /dev/.lxc')).status).toBe(1);
  });

  it('[03.39] gets its sysctls', async () => {
    const instance = await startWith({ 'linux.sysctl.net.ipv4.ip_forward': '1', 'linux.sysctl.kernel.msgmax': '4242' });
    expect(await output(instance, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax')).toBe('1\n4242');
  });

  it('[03.115] obeys raw.lxc last of all', async () => {
    const instance = await startWith({
      'raw.lxc': '# comment\nlxc.init.cmd = /bin/sleep 1000\nlxc.uts.name = renamed\n',
    });
    expect(await output(instance, "tr '\\0' ' ' < /proc/1/cmdline")).toBe('/bin/sleep 1000');
    expect(await output(instance, 'hostname')).toBe('renamed');
    expect(() => lxc.validate({ 'raw.lxc': 'nonsense' })).toThrow('"raw.lxc"');
    expect(() => lxc.validate({ 'raw.lxc': 'lxc.a.b=c\n\n#x' })).not.toThrow();
  });

  it('values of several lines are refused where liblxc cannot take them', async () => {
    const machine = await suite.newMachine({ 'environment.TEXT': 'one\ntwo' });
    await expect(lxc.start(machine, [])).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('nobody else can look at its configuration', async () => {
    const machine = await suite.newMachine({ 'environment.SECRET': 'x' });
    await suite.start(machine);
    expect((await stat(join(machine.logs, 'lxc.conf'))).mode & 0o077).toBe(0);
  });
});

/** What a shell needs to start and to run commands. */
const shellCalls =
  `access arch_prctl brk capget capset chdir clone clone3 close close_range connect dup dup2 dup3 execve execveat
  exit exit_group faccessat faccessat2 fchdir fchmod fchown fcntl fstat futex getcwd getegid geteuid getgid getgroups getpgrp getpid getppid
  getrandom getsockopt gettid getuid ioctl kill lseek lstat mmap mprotect munmap nanosleep newfstatat clock_nanosleep open openat
  openat2 pipe pipe2 poll prctl pread64 prlimit64 read readlink readlinkat readv recvfrom recvmsg rseq rt_sigaction
  rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sendmsg sendto set_robust_list set_tid_address setgid setgroups
  setns setpgid setresgid setresuid setsid setuid sigaltstack socket socketpair stat sysinfo umask uname unshare wait4 write
  writev bind getsockname vfork statx sched_yield tgkill shutdown`.split(/\s+/);

describe('system calls', () => {
  const suite = makeSuite(options, { title: '' });
  /** The status of a program that makes one system call, run by init so that it has the container's filter from the start. */
  const startWith = async (config: Config) => suite.start(await suite.newMachine(config));

  it('[03.154] of the built-in list are denied, unless that is switched off', async () => {
    const instance = await startWith({});
    expect(await output(instance, 'grep Seccomp: /proc/1/status /proc/self/status')).toMatch(/\t2\n.*\t2$/s);
    const force = 'mount -t tmpfs x /mnt && umount -f /mnt';
    expect((await sh(instance, force)).stderr).toContain('denied');
    const open = await startWith({ 'security.syscalls.deny_default': 'false' });
    expect(await output(open, 'grep Seccomp: /proc/1/status')).toMatch(/\t0$/);
    expect((await sh(open, force)).status).toBe(0);
  });

  it('[03.156] of the deny list fail, with an error of choice', async () => {
    const instance = await startWith({ 'security.syscalls.deny': 'mkdir\nsethostname errno 5' });
    expect((await sh(instance, 'mkdir /x')).stderr).toContain('not permitted');
    expect((await sh(instance, 'hostname other')).stderr).toMatch(/I\/O error|Input\/output error/);
    expect(await output(instance, 'rmdir /mnt; echo fine')).toBe('fine');
  });

  it('[03.157] of the allow list are the only ones, and the lists exclude each other', async () => {
    expect(() => lxc.validate({ 'security.syscalls.allow': 'read', 'security.syscalls.deny': 'write' })).toThrow(
      'cannot be combined',
    );
    expect(() => lxc.validate({ 'security.syscalls.allow': 'read', 'security.syscalls.deny_default': 'true' })).toThrow(
      'cannot be combined',
    );
    // Too few for an init: it dies at its first other call.
    const machine = await suite.newMachine({ 'security.syscalls.allow': 'execve\nexit_group' });
    await expect(lxc.start(machine, [])).rejects.toThrow(/failed to start|stopped right after/);
    const enough = await startWith({ 'security.syscalls.allow': shellCalls.join('\n') });
    expect(await output(enough, 'echo fine')).toBe('fine');
    const { stderr, status } = await sh(enough, 'mkdir /x');
    expect({ stderr, status }).not.toMatchObject({ status: 0 });
  });

  it('[03.158] the former names of the keys count', async () => {
    const instance = await startWith({ 'security.syscalls.blacklist': 'mkdir errno 1' });
    expect((await sh(instance, 'mkdir /x')).stderr).toContain('not permitted');
    expect(() =>
      lxc.validate({ 'security.syscalls.whitelist': 'read', 'security.syscalls.blacklist': 'write' }),
    ).toThrow('cannot be combined');
  });

  it('[03.118] raw.seccomp replaces the whole filter', async () => {
    const instance = await startWith({ 'raw.seccomp': '2\ndenylist\n[all]\nmkdir errno 28\n' });
    expect((await sh(instance, 'mkdir /x')).stderr).toContain('No space left');
  });

  it.runIf(process.arch === 'x64')('[03.155] the 32-bit interface can be denied', async () => {
    // exit(getpid() by the 32-bit interface < 0 ? 1 : 0)
    const code = 'b814000000 cd80 85c0 7809 31ff b83c000000 0f05 bf01000000 b83c000000 0f05'.replaceAll(' ', '');
    const program = elfProgram(62, Buffer.from(code, 'hex'));
    const status = async (config: Config) => {
      const machine = await suite.newMachine(config);
      await writeFile(join(machine.path, 'rootfs/bin/compat'), program, { mode: 0o755 });
      const script = 'compat; echo $? > /status; exec sleep 1000';
      await writeFile(join(machine.path, 'rootfs/sbin/init'), `#!/bin/sh\nPATH=/bin:/usr/bin\n${script}\n`);
      const instance = await suite.start(machine);
      await expect.poll(() => output(instance, 'cat /status')).toMatch(/\d/);
      const inTerminal = await collect(
        await instance.exec(request(['compat'], { terminal: { width: 80, height: 24 } })),
      );
      // The own filter is in force as well.
      expect((await sh(instance, 'mount -t tmpfs x /mnt && umount -f /mnt')).stderr).toContain('denied');
      return [await output(instance, 'cat /status'), (await sh(instance, 'compat')).status, inTerminal.status];
    };
    expect(await status({ 'security.syscalls.deny_compat': 'true' })).toEqual(['1', 1, 1]);
    expect(await status({})).toEqual(['0', 0, 0]);
  });
});

describe('a privileged container', () => {
  const suite = makeSuite(options, { title: '' });
  it('[03.129] has no id map, but not all powers either', async () => {
    const instance = await suite.start(await suite.newMachine());
    expect(await readFile(`/proc/${instance.pid}/uid_map`, 'utf8')).toMatch(/0\s+0\s+4294967295/);
    // sys_module 16, sys_rawio 17, sys_time 25, mac_override 32, mac_admin 33
    const bounding = BigInt(
      `0x${/CapBnd:\s+([0-9a-f]+)/.exec(await readFile(`/proc/${instance.pid}/status`, 'utf8'))?.[1]}`,
    );
    for (const capability of [16n, 17n, 25n, 32n, 33n]) expect((bounding >> capability) & 1n).toBe(0n);
    expect((bounding >> 21n) & 1n).toBe(1n);
    const command = await output(instance, 'grep CapEff /proc/self/status');
    expect(BigInt(`0x${command.split(/\s+/)[1]}`) & ~bounding).toBe(0n);
    expect((await sh(instance, 'date -s 2020-01-01')).stderr).toContain('not permitted');
  });

  it('may make device nodes but use only the standard ones', async () => {
    const instance = await suite.start(await suite.newMachine());
    expect(await output(instance, 'mknod /disk b 7 0; mknod /zero c 1 5; head -c 1 /zero | od -An -tx1')).toBe(' 00');
    expect((await sh(instance, 'head -c 1 /disk')).stderr).toContain('not permitted');
    expect((await sh(instance, 'echo 1 > /proc/sys/kernel/panic')).stderr).toContain('Read-only');
    using root = openProcessRoot(instance.pid);
    expect(root.stat('/zero').isCharacterDevice()).toBe(true);
  });

  it('may use a further device for as long as it is attached', async () => {
    const instance = await suite.start(await suite.newMachine());
    const node = {
      kind: 'node',
      device: 'loop',
      type: 'block',
      major: 7,
      minor: 0,
      target: '/dev/loop0',
      mode: 0o660,
      uid: 0,
      gid: 0,
    } as const;
    await output(instance, 'mknod /own b 7 0');
    expect((await sh(instance, 'head -c 1 /own')).stderr).toContain('not permitted');
    await instance.attach(node);
    // An unused loop device is empty, or has no medium.
    expect((await sh(instance, 'head -c 1 /own; head -c 1 /dev/loop0')).stderr).not.toContain('not permitted');
    await instance.detach(node);
    expect((await sh(instance, 'head -c 1 /own')).stderr).toContain('not permitted');
    const other = await suite.start(await suite.newMachine(), [node]);
    expect((await sh(other, 'head -c 1 /dev/loop0')).stderr).not.toContain('not permitted');
  });
});

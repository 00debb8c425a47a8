import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import type { Machine } from '@lxd-ts/driver-kit';
import { makeSuite, output } from '@lxd-ts/driver-kit/testing';
import { cgroupProcesses, contiguousIdMap, createCgroup, joinCgroup, processStat } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import { allCgroups, payloadCgroup } from './cgroups.ts';
import { lxc } from './index.ts';
import { placeOf } from './place.ts';

const suite = makeSuite(
  { driver: lxc, forms: [{ title: '' }], module: { url: '', name: '' } },
  { title: '', idmap: contiguousIdMap(1_000_000, 65_536) },
);

const cgroupsOf = (machine: Machine): string[] =>
  allCgroups(placeOf(machine))
    .flatMap((cgroup) => cgroup.directories())
    .filter((directory) => existsSync(directory));

describe('whatever dies', () => {
  it('a killed monitor takes its container along, and that is noticed and cleared', async () => {
    const machine = await suite.newMachine();
    const instance = await suite.start(machine);
    const monitor = processStat(instance.pid)?.parent ?? 0;
    expect(processStat(monitor)?.name).toBe('lxc-start');
    process.kill(monitor, 'SIGKILL');
    expect(await instance.stopped).toBe('stop');
    expect(processStat(instance.pid)?.state ?? 'Z').toBe('Z');
    expect(cgroupsOf(machine)).toEqual([]);
    const again = await suite.start(machine);
    expect(await output(again, 'echo well')).toBe('well');
  });

  it('no cgroup is left after a stop or a failed start', async () => {
    const machine = await suite.newMachine();
    const instance = await suite.start(machine);
    expect(cgroupsOf(machine).length).toBeGreaterThan(0);
    expect(cgroupProcesses(payloadCgroup(placeOf(machine)))).toContain(instance.pid);
    await instance.kill();
    expect(cgroupsOf(machine)).toEqual([]);
    await expect(lxc.start({ ...machine, config: { 'raw.lxc': 'lxc.nonsense = 1' } }, [])).rejects.toThrow(
      /failed to start/,
    );
    expect(cgroupsOf(machine)).toEqual([]);
  });

  it('the next start clears what a crash of daemon and monitor left', async () => {
    const machine = await suite.newMachine();
    const place = placeOf(machine);
    await writeFile(place.startedMark, '');
    await writeFile(place.rebootMark, '');
    const cgroup = payloadCgroup(place);
    createCgroup(cgroup);
    const stray = spawn('sleep', ['1000'], { stdio: 'ignore' });
    await once(stray, 'spawn');
    joinCgroup(cgroup, stray.pid ?? 0);
    const exit = once(stray, 'exit');
    const instance = await suite.start(machine);
    await exit;
    expect(await output(instance, 'echo well')).toBe('well');
    await instance.kill();
    expect(await instance.stopped).toBe('stop');
    expect(cgroupsOf(machine)).toEqual([]);
  });

  it('a name too long for a socket address does not hurt', async () => {
    const machine = await suite.newMachine();
    const logs = `${machine.logs}/${'long'.repeat(20)}/${machine.handle}`;
    await mkdir(logs, { recursive: true });
    const long = { ...machine, logs };
    const instance = await suite.start(long);
    expect((await lxc.find(long))?.pid).toBe(instance.pid);
    expect(await output(instance, 'echo well')).toBe('well');
  });

  it('commands are told when the attach server dies, and the next one gets a new server', async () => {
    const instance = await suite.start();
    const session = await instance.exec({
      command: ['sleep', '50'],
      environment: { PATH: '/bin' },
      cwd: '/',
      uid: 0,
      gid: 0,
    });
    const server = processStat(session.pid)?.parent ?? 0;
    expect(server).toBeGreaterThan(1);
    process.kill(server, 'SIGKILL');
    await expect(session.exit).rejects.toThrow('attach server');
    expect(await output(instance, 'echo well')).toBe('well');
  });
});

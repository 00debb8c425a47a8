import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mountsBelow } from '@lxd-ts/host';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../instance/contract.ts';
import { type InstanceSuite, output, request } from './suite.ts';

/** Starts a machine in a process of its own and ends that without warning. */
const startElsewhere = async ({ module }: InstanceSuite, machine: Machine): Promise<number> => {
  const script = `
    const { ${module.name}: driver } = await import(${JSON.stringify(module.url)});
    const instance = await driver.start(JSON.parse(process.argv[1]), []);
    process.stdout.write(String(instance.pid));
    setInterval(() => undefined, 1000);`;
  const child = spawn(
    process.execPath,
    ['--conditions=lxd-ts-source', '--input-type=module', '-e', script, JSON.stringify(machine)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [pid] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => {
      throw new Error('the other process ended before it had started the instance');
    }),
  ]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return Number(pid);
};

const isGone = (pid: number): boolean =>
  !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

/** What a machine that does not run may not have: files of a run, mounts. */
const leftovers = async (machine: Machine): Promise<string[]> => [
  ...(await readdir(machine.devices)),
  ...mountsBelow(machine.path).map(({ target }) => target),
];

export const lifecycleTests = (suite: InstanceSuite): void => {
  const { driver, start, adopt, newMachine } = suite;

  describe('start and stop', () => {
    it('start returns when init runs, and tells pid and time', async () => {
      const before = Date.now();
      const instance = await start();
      expect(existsSync(`/proc/${instance.pid}`)).toBe(true);
      expect(await instance.status()).toBe('running');
      // The kernel rounds the time a process starts at.
      expect(Math.abs(instance.startedAt - before)).toBeLessThan(3000);
      expect(await output(instance, 'cat /proc/1/comm')).toMatch(/init/);
    });

    it('kill is over within 50 ms of the last resource and leaves nothing', async () => {
      const machine = await newMachine();
      const instance = await start(machine);
      const times: number[] = [];
      await instance.kill();
      for (let round = 0; round < 5; round++) {
        const again = await start(machine);
        const begin = performance.now();
        await again.kill();
        times.push(performance.now() - begin);
        expect(isGone(again.pid)).toBe(true);
        expect(await again.stopped).toBe('stop');
      }
      times.sort((a, b) => a - b);
      // The quickest: what else the machine does makes the others slow.
      expect(times[0]).toBeLessThan(50);
      expect(await leftovers(machine)).toEqual([]);
      expect(await driver.find(machine)).toBeUndefined();
    });

    it('shutdown asks init, which stops', async () => {
      const instance = await start();
      // Init has to have said what it does on the signal.
      await expect.poll(() => output(instance, 'ps | grep -c "[s]leep 3600"')).toBe('1');
      await instance.shutdown();
      expect(await instance.stopped).toBe('stop');
    });

    it('reboot makes init reboot, and the reason says so', async () => {
      const machine = await newMachine();
      const instance = await start(machine);
      await expect.poll(() => output(instance, 'ps | grep -c "[s]leep 3600"')).toBe('1');
      await instance.reboot();
      expect(await instance.stopped).toBe('reboot');
      expect(isGone(instance.pid)).toBe(true);
      expect(await driver.find(machine)).toBeUndefined();
      expect(await leftovers(machine)).toEqual([]);
      const again = await start(machine);
      expect(again.pid).not.toBe(instance.pid);
    });

    it('an init that ends by itself stops the instance', async () => {
      const instance = await start();
      const session = await instance.exec(request(['kill', '-PWR', '1']));
      session.stdin.end();
      expect(await instance.stopped).toBe('stop');
      expect(await instance.stopped).toBe('stop');
    });

    it('calls on an instance that has stopped are conflicts', async () => {
      const instance = await start();
      await instance.kill();
      const conflict = { kind: 'conflict' };
      await expect(instance.status()).rejects.toMatchObject(conflict);
      await expect(instance.shutdown()).rejects.toMatchObject(conflict);
      await expect(instance.reboot()).rejects.toMatchObject(conflict);
      await expect(instance.kill()).rejects.toMatchObject(conflict);
      await expect(instance.freeze()).rejects.toMatchObject(conflict);
      await expect(instance.unfreeze()).rejects.toMatchObject(conflict);
      await expect(instance.exec(request(['true']))).rejects.toMatchObject(conflict);
      await expect(instance.console({ width: 80, height: 24 })).rejects.toMatchObject(conflict);
      await expect(instance.update({}, [])).rejects.toMatchObject(conflict);
      await expect(instance.usage()).rejects.toMatchObject(conflict);
    });

    it('two instances run side by side, and a second start of one is a conflict', async () => {
      const machine = await newMachine();
      const [one, two] = await Promise.all([start(machine), start()]);
      expect(await output(one, 'hostname')).not.toBe(await output(two, 'hostname'));
      await expect(driver.start(machine, [])).rejects.toMatchObject({ kind: 'conflict' });
      expect(await output(one, 'echo still here')).toBe('still here');
      await one.kill();
      expect(await two.status()).toBe('running');
    });

    it('freeze stops all processes, unfreeze lets them go on, and a frozen instance can be killed', async () => {
      const instance = await start();
      const counter = await instance.exec(request(['sh', '-c', 'while :; do echo x; sleep 0.01; done']));
      let lines = 0;
      counter.stdout.on('data', () => {
        lines++;
      });
      await expect.poll(() => lines).toBeGreaterThan(1);
      await instance.freeze();
      expect(await instance.status()).toBe('frozen');
      await new Promise((resolve) => setTimeout(resolve, 50));
      const frozenAt = lines;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(lines).toBe(frozenAt);
      await expect(instance.exec(request(['true']))).rejects.toMatchObject({ kind: 'conflict' });
      await instance.unfreeze();
      expect(await instance.status()).toBe('running');
      await expect.poll(() => lines).toBeGreaterThan(frozenAt);
      await instance.freeze();
      await instance.kill();
      expect(isGone(instance.pid)).toBe(true);
      expect(await counter.exit).toBe(137);
    });
  });

  describe('a start that fails', () => {
    it('says why in a sentence with the end of the log, and leaves nothing', async () => {
      const machine = await newMachine();
      await rm(join(machine.path, 'rootfs/sbin/init'));
      const failure = driver.start(machine, []);
      await expect(failure).rejects.toThrow(/^Instance ".*" failed to start: .*(init|No such file)/);
      expect(await driver.find(machine)).toBeUndefined();
      expect(await leftovers(machine)).toEqual([]);
      expect(await readFile(join(machine.logs, 'lxc.log'), 'utf8')).toContain('ERROR');
    });

    it('on a mount whose source is missing it names the device', async () => {
      const machine = await newMachine();
      const mount = {
        kind: 'mount',
        device: 'data',
        source: '/nonexistent/data',
        target: '/mnt',
        readonly: false,
        recursive: false,
        propagation: 'private',
        shift: false,
      } as const;
      await expect(driver.start(machine, [mount])).rejects.toThrow('"data"');
      await expect(driver.start(machine, [mount])).rejects.toMatchObject({ kind: 'bad-request' });
      expect(await leftovers(machine)).toEqual([]);
      expect(await driver.find(machine)).toBeUndefined();
    });

    it('one that is cancelled leaves nothing', async () => {
      const machine = await newMachine();
      const reason = new Error('changed my mind');
      await expect(driver.start(machine, [], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const controller = new AbortController();
      const starting = driver.start(machine, [], { signal: controller.signal });
      setTimeout(() => controller.abort(reason), 5);
      await expect(starting).rejects.toBe(reason);
      expect(await driver.find(machine)).toBeUndefined();
      expect(await leftovers(machine)).toEqual([]);
    });
  });

  describe('after the end of the process that started it', () => {
    it('an instance runs on, is found, obeys, and its stop is noticed', async () => {
      const machine = await newMachine();
      const pid = await startElsewhere(suite, machine);
      expect(isGone(pid)).toBe(false);
      const found = await driver.find(machine);
      if (!found) throw new Error('not found');
      adopt(found);
      expect(found.pid).toBe(pid);
      expect(await found.status()).toBe('running');
      expect(await output(found, 'echo hello')).toBe('hello');
      await expect.poll(() => output(found, 'ps | grep -c "[s]leep 3600"')).toBe('1');
      await found.reboot();
      expect(await found.stopped).toBe('reboot');
    });

    it('find changes nothing, and cleanup of a machine that never ran is no error', async () => {
      const machine = await newMachine();
      expect(await driver.find(machine)).toBeUndefined();
      await driver.cleanup(machine);
      await driver.cleanup(machine);
      const instance = await start(machine);
      const found = await driver.find(machine);
      expect(found?.pid).toBe(instance.pid);
      expect(found?.startedAt).toBe(instance.startedAt);
      expect(await instance.status()).toBe('running');
      await found?.kill();
      expect(await instance.stopped).toBe('stop');
    });
  });
};

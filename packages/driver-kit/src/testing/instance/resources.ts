import { describe, expect, it } from 'vitest';
import { type InstanceSuite, output, request } from './suite.ts';

const MiB = 1 << 20;

export const resourceTests = ({ driver, start, newMachine }: InstanceSuite): void => {
  describe('usage', () => {
    it('counts CPU time, memory, processes and the loopback interface', async () => {
      const instance = await start();
      // Its init sets the interface up.
      await expect.poll(async () => (await instance.usage()).network.lo?.state).toBe('up');
      const before = await instance.usage();
      expect(before.pid).toBe(instance.pid);
      expect(before.network.lo).toMatchObject({
        type: 'loopback',
        state: 'up',
        addresses: [
          { family: 'inet', address: '127.0.0.1', netmask: '8', scope: 'local' },
          { family: 'inet6', address: '::1', netmask: '128', scope: 'local' },
        ],
      });
      const session = await instance.exec(
        request(['sh', '-c', 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; sleep 100']),
      );
      await new Promise((resolve) => session.stdout.once('data', resolve));
      const after = await instance.usage();
      expect((after.cpu ?? 0) - (before.cpu ?? 0)).toBeGreaterThan(1e7);
      expect(after.processes).toBeGreaterThan(before.processes);
      expect(after.memory.usage).toBeGreaterThan(0);
      expect(after.memory.usagePeak).toBeGreaterThanOrEqual(after.memory.usage);
      expect(after.memory.total).toBeGreaterThan(100 * MiB);
      await output(instance, 'ping -c 1 127.0.0.1');
      expect((await instance.usage()).network.lo?.counters.packetsSent).toBeGreaterThan(0);
    });

    it('takes less than a millisecond', async () => {
      const instance = await start();
      await instance.usage();
      const rounds = 200;
      const begin = performance.now();
      for (let round = 0; round < rounds; round++) await instance.usage();
      expect((performance.now() - begin) / rounds).toBeLessThan(1);
    });
  });

  describe('limits', () => {
    it('of memory and processes hold from the start, and change while it runs', async () => {
      const config = { 'limits.memory': '64MiB', 'limits.processes': '20' };
      const instance = await start(await newMachine(config));
      expect((await instance.usage()).memory.total).toBe(64 * MiB);
      const changed = { 'limits.memory': '128MiB' };
      await instance.update(changed, ['limits.memory', 'limits.processes']);
      expect((await instance.usage()).memory.total).toBe(128 * MiB);
      await instance.update({}, ['limits.memory']);
      expect((await instance.usage()).memory.total).toBeGreaterThan(1024 * MiB);
    });

    it('that cannot be are refused with the name of the key', async () => {
      for (const [key, value] of [
        ['limits.memory', 'lots'],
        ['limits.cpu.allowance', '50'],
        ['limits.cpu.priority', '11'],
        ['limits.processes', '-1'],
        ['limits.cpu', '3-1'],
      ] as const) {
        expect(() => driver.validate({ [key]: value })).toThrow(/limits|size/);
      }
      const instance = await start();
      await expect(
        instance.update({ 'limits.cpu': '900', 'limits.memory': '4096' }, ['limits.memory']),
      ).rejects.toMatchObject({
        kind: 'bad-request',
        message: expect.stringContaining('"limits.memory"'),
      });
      expect(await output(instance, 'echo alive')).toBe('alive');
    });
  });
};

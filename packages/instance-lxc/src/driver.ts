import { access } from 'node:fs/promises';
import { defineInstanceDriver, type InstanceDriver, messageOf, notImplemented } from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';
import { warmAttachServer } from './attach-client.ts';
import { payloadCgroup } from './cgroups.ts';
import { cleanUp } from './cleanup.ts';
import { validateRaw } from './config/raw.ts';
import { validateSeccomp } from './config/seccomp.ts';
import { cpuRequest } from './cpu-balance.ts';
import { liblxcFeatures } from './features.ts';
import { interceptCalls } from './intercept.ts';
import { validateInterception } from './interception/rules.ts';
import { applyLateLimits, validateLimits } from './limits.ts';
import { connectMonitor } from './monitor.ts';
import { placeOf } from './place.ts';
import { runningContainer } from './running.ts';
import { serverKind } from './server-kind.ts';
import { startContainer } from './start.ts';

/** System containers on liblxc. */
export const lxc: InstanceDriver = defineInstanceDriver({
  name: 'lxc',
  type: 'container',
  probe: async () => {
    try {
      const { stdout } = await run(['lxc-start', '--version'], { debianPackage: 'lxc' });
      await access('/proc/self/ns/user');
      return { version: stdout.trim(), features: liblxcFeatures() };
    } catch (error) {
      throw notImplemented(`Containers cannot run on this host: ${messageOf(error)}`, { cause: error });
    }
  },
  validate: (config) => {
    validateSeccomp(config);
    validateInterception(config);
    validateLimits(config);
    cpuRequest(config);
    validateRaw(config);
  },
  start: async (machine, attachments, work) => {
    warmAttachServer(serverKind(machine));
    const instance = runningContainer(machine, await startContainer(machine, attachments, work));
    try {
      applyLateLimits(payloadCgroup(placeOf(machine)), machine.config);
      return instance;
    } catch (error) {
      await instance.kill();
      throw error;
    }
  },
  find: async (machine) => {
    const monitor = await connectMonitor(placeOf(machine).commandSocket);
    if (!monitor) return undefined;
    warmAttachServer(serverKind(machine));
    await interceptCalls(machine, placeOf(machine));
    return runningContainer(machine, monitor);
  },
  cleanup: cleanUp,
});

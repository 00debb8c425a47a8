import { access } from 'node:fs/promises';
import {
  type Config,
  conflict,
  internal,
  type Machine,
  type RunningInstance,
  type RunStatus,
  type StopReason,
} from '@lxd-ts/driver-kit';
import {
  freezeCgroup,
  isErrno,
  isFrozen,
  isSameProcess,
  processStartTime,
  processStat,
  processStatus,
  thawCgroup,
} from '@lxd-ts/host';
import { updateApparmor } from './apparmor.ts';
import { payloadCgroup } from './cgroups.ts';
import { cleanUp } from './cleanup.ts';
import { openConsole } from './console.ts';
import { changeCpuRequest, cpuRequest, joinBalance } from './cpu-balance.ts';
import { execInContainer } from './exec.ts';
import { attachDevice, detachDevice } from './hotplug.ts';
import { interceptCalls, stopIntercepting } from './intercept.ts';
import { updateLimits } from './limits.ts';
import type { MonitorConnection } from './monitor.ts';
import { type Place, placeOf } from './place.ts';
import { containerUsage } from './usage.ts';

const SIGINT = 2;
const SIGPWR = 30;
/** SIGRTMIN+3 of glibc, systemd's request to halt. */
const SIGRTMIN_3 = 37;

/** systemd has SIGRTMIN+3 blocked, to be read from a signalfd; other inits take the signal of a power failure. */
const haltSignal = (pid: number): number => {
  const blocked = BigInt(`0x${processStatus(pid)?.get('SigBlk') ?? '0'}`);
  return (blocked >> BigInt(SIGRTMIN_3 - 1)) & 1n ? SIGRTMIN_3 : SIGPWR;
};

const askedForReboot = async (place: Place): Promise<boolean> => {
  try {
    await access(place.rebootMark);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
};

/** Sends a signal to a process, unless it is gone. */
const send = (pid: number, startTicks: number, signal: number | NodeJS.Signals): void => {
  if (!isSameProcess(pid, startTicks)) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
};

/** The cgroup vanishes under whoever handles a container that stops. */
const unlessGone = async (action: () => Promise<void>): Promise<void> => {
  try {
    await action();
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
  }
};

/** The container behind a monitor's connection. */
export const runningContainer = (machine: Machine, monitor: MonitorConnection): RunningInstance => {
  const place = placeOf(machine);
  const cgroup = payloadCgroup(place);
  const pid = monitor.initPid;
  const startTicks = processStat(pid)?.startTicks ?? 0;
  const startedAt = processStartTime(pid)?.getTime() ?? Date.now();
  const target = { machine, place, initPid: pid };
  let ended = false;
  let stopping = false;
  const cpuUser = { cgroup, request: cpuRequest(machine.config) };
  const leaveBalance = joinBalance(cpuUser);

  const stopped = monitor.gone.then(async (): Promise<StopReason> => {
    ended = true;
    leaveBalance();
    await stopIntercepting(place);
    const reason: StopReason = (await askedForReboot(place)) ? 'reboot' : 'stop';
    await cleanUp(machine).catch((error: unknown) =>
      process.emitWarning(internal(`Instance "${machine.name}" left something behind`, { cause: error })),
    );
    return reason;
  });
  const assertRunning = (): void => {
    if (ended || !isSameProcess(pid, startTicks)) throw conflict(`Instance "${machine.name}" is not running`);
  };
  /** Makes a failure that is due to the container's end say so. */
  const whileRunning = async <T>(action: () => Promise<T> | T): Promise<T> => {
    assertRunning();
    try {
      return await action();
    } catch (error) {
      assertRunning();
      throw error;
    }
  };

  return {
    pid,
    startedAt,
    get stopped() {
      monitor.keepAlive();
      return stopped;
    },
    status: async (): Promise<RunStatus> => {
      if (ended) throw conflict(`Instance "${machine.name}" is not running`);
      if (stopping || !isSameProcess(pid, startTicks)) return 'stopping';
      return isFrozen(cgroup) ? 'frozen' : 'running';
    },
    shutdown: () => whileRunning(() => send(pid, startTicks, haltSignal(pid))),
    reboot: () => whileRunning(() => send(pid, startTicks, SIGINT)),
    kill: async () => {
      if (ended) throw conflict(`Instance "${machine.name}" is not running`);
      stopping = true;
      send(pid, startTicks, 'SIGKILL');
      // A frozen process of version 1 dies when it is thawed.
      await unlessGone(async () => {
        if (isFrozen(cgroup)) await thawCgroup(cgroup);
      });
      monitor.keepAlive();
      await stopped;
    },
    freeze: () => whileRunning(() => freezeCgroup(cgroup)),
    unfreeze: () => whileRunning(() => thawCgroup(cgroup)),
    exec: (request, work) =>
      whileRunning(() => {
        // A process that enters a frozen container freezes with it.
        if (isFrozen(cgroup)) throw conflict(`Instance "${machine.name}" is frozen`);
        return execInContainer(machine, place, pid, request, work);
      }),
    console: (size) => whileRunning(() => openConsole(place, pid, size)),
    attach: (attachment) => whileRunning(() => attachDevice(target, attachment)),
    detach: (attachment) => whileRunning(() => detachDevice(target, attachment)),
    update: (config: Config, changed) =>
      whileRunning(async () => {
        if (changed.some((key) => key === 'limits.cpu' || key === 'limits.cpu.nodes')) {
          changeCpuRequest(cpuUser, cpuRequest(config));
        }
        updateLimits(cgroup, config, changed);
        if (changed.includes('raw.apparmor')) await updateApparmor(place, config);
        await interceptCalls(machine, place, config);
      }),
    usage: async () => {
      if (ended) throw conflict(`Instance "${machine.name}" is not running`);
      return containerUsage(machine.name, pid, cgroup);
    },
  };
};

import { access, readFile } from 'node:fs/promises';
import {
  conflict,
  type ExecRequest,
  type ExecSession,
  type Machine,
  notImplemented,
  type RunningInstance,
  type RunStatus,
  type StopReason,
  type Work,
} from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { cleanUp } from './cleanup.ts';
import { execInContainer } from './exec.ts';
import { freeze, isFrozen, thaw } from './freezer.ts';
import { identify, isAlive, signalProcess, startedAt } from './init-process.ts';
import type { MonitorConnection } from './monitor.ts';
import { type Place, placeOf } from './place.ts';

const SIGINT = 2;
const SIGPWR = 30;
const SIGRTMIN_3 = 37;

/** systemd waits for SIGRTMIN+3 (halt); it is told by having the signal blocked, to be read from a signalfd. */
const haltSignal = async (pid: number): Promise<number> => {
  const blocked = /^SigBlk:\s*([0-9a-f]+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${blocked}`) >> BigInt(SIGRTMIN_3 - 1)) & 1n ? SIGRTMIN_3 : SIGPWR;
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

export const runningContainer = (machine: Machine, monitor: MonitorConnection): RunningInstance => {
  const place = placeOf(machine);
  const init = identify(monitor.initPid);
  let ended = false;
  let stopping = false;
  const stopped = monitor.gone.then(async (): Promise<StopReason> => {
    ended = true;
    const reason: StopReason = (await askedForReboot(place)) ? 'reboot' : 'stop';
    await cleanUp(machine);
    return reason;
  });
  const running = () => {
    if (ended || !init) throw conflict(`Instance "${machine.name}" is not running`);
    return init;
  };
  return {
    pid: monitor.initPid,
    startedAt: init ? startedAt(init) : Date.now(),
    get stopped() {
      monitor.keepAlive();
      return stopped;
    },
    status: async (): Promise<RunStatus> => {
      const process_ = running();
      if (!isAlive(process_)) return 'stopping';
      if (await isFrozen(place)) return 'frozen';
      return stopping ? 'stopping' : 'running';
    },
    shutdown: async () => {
      const process_ = running();
      signalProcess(process_, await haltSignal(process_.pid));
    },
    reboot: async () => {
      signalProcess(running(), SIGINT);
    },
    kill: async () => {
      stopping = true;
      signalProcess(running(), 'SIGKILL');
      // A frozen process of version 1 dies when it is thawed.
      await thaw(place).catch((error: unknown) => {
        if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
      });
      monitor.keepAlive();
      await stopped;
    },
    freeze: async () => {
      running();
      await freeze(place);
    },
    unfreeze: async () => {
      running();
      await thaw(place);
    },
    exec: async (request: ExecRequest, work?: Work): Promise<ExecSession> => {
      const { pid } = running();
      // A process that enters a frozen container freezes with it.
      if (await isFrozen(place)) throw conflict(`Instance "${machine.name}" is frozen`);
      return execInContainer(machine, place, pid, request, work);
    },
    console: async () => {
      throw notImplemented('');
    },
    attach: async () => {
      throw notImplemented('');
    },
    detach: async () => {
      throw notImplemented('');
    },
    update: async () => {
      throw notImplemented('');
    },
    usage: async () => {
      throw notImplemented('');
    },
  };
};

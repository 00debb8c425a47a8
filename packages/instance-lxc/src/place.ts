import { basename, dirname, join } from 'node:path';
import type { Machine } from '@lxd-ts/driver-kit';

/** Where everything of one container is found on the host: all names follow from the machine, nothing is stored. */
export interface Place {
  /** liblxc's "lxcpath" and container name; together they name the monitor's command socket. */
  readonly lxcPath: string;
  readonly name: string;
  /** Abstract address of the monitor's command socket, with the leading NUL. */
  readonly commandSocket: string;
  readonly config: string;
  readonly log: string;
  readonly consoleLog: string;
  /** The system call filter. */
  readonly seccomp: string;
  /** Where the monitor reports intercepted system calls. */
  readonly calls: string;
  /** Exists from the first start on: tells the start of a reboot from the first one. */
  readonly startedMark: string;
  /** Written when the container asked for a reboot. */
  readonly rebootMark: string;
  /** Cgroups of the container and of its monitor, relative to each hierarchy's root. */
  readonly payloadCgroup: string;
  readonly monitorCgroup: string;
}

/** 64-bit FNV-1a, in hexadecimal. */
const fnv1a = (text: string): string => {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
};

/** sun_path of unix(7) without the NUL at either end. */
const SOCKET_NAME_MAX = 106;

/** liblxc names the socket after path and name, or after their hash when that would be too long. */
const commandSocketOf = (lxcPath: string, name: string): string => {
  const address = `${lxcPath}/${name}/command`;
  return Buffer.byteLength(address) <= SOCKET_NAME_MAX
    ? `\0${address}`
    : `\0lxc/${fnv1a(`${lxcPath}/${name}`)}/command`;
};

export const placeOf = (machine: Machine): Place => {
  const lxcPath = dirname(machine.logs);
  const name = basename(machine.logs);
  // Two daemons on one host may both have a container of this name.
  const cgroup = `${machine.handle}-${fnv1a(lxcPath).slice(0, 8)}`;
  return {
    lxcPath,
    name,
    commandSocket: commandSocketOf(lxcPath, name),
    config: join(machine.logs, 'lxc.conf'),
    log: join(machine.logs, 'lxc.log'),
    consoleLog: join(machine.logs, 'console.log'),
    seccomp: join(machine.devices, 'lxc.seccomp'),
    calls: join(machine.devices, 'lxc.calls'),
    startedMark: join(machine.devices, 'lxc.started'),
    rebootMark: join(machine.devices, 'lxc.reboot'),
    payloadCgroup: `lxc.payload.${cgroup}`,
    monitorCgroup: `lxc.monitor.${cgroup}`,
  };
};

/** Options of every liblxc tool that name the container. */
export const toolOptions = (place: Place): string[] => ['-P', place.lxcPath, '-n', place.name];

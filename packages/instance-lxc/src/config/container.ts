import { type Attachment, type Config, conflict, isTrue, type Machine, notImplemented } from '@lxd-ts/driver-kit';
import { lxcIdMap, sameIdMap } from '@lxd-ts/host';
import { apparmorSettings } from '../apparmor.ts';
import { nodeRule } from '../device-node.ts';
import type { HostFacts } from '../host-facts.ts';
import { interceptedCalls } from '../interception/rules.ts';
import type { Place } from '../place.ts';
import { attachedMount, attachedNode, standardMounts } from './mounts.ts';
import { networkSettings } from './network.ts';
import { deniesCompat } from './seccomp.ts';
import { family, type Setting } from './settings.ts';

/** liblxc's names of architectures that run as a personality of the host's (personality(2)). */
const personalities: Readonly<Record<string, string>> = {
  i686: 'linux32',
  armv7l: 'linux32',
  ppc: 'linux32',
  mips: 'linux32',
  riscv32: 'linux32',
};

/** Without a user namespace, root inside would own the host's clock, modules, hardware and mandatory access control. */
const privilegedDrop = 'sys_time sys_module sys_rawio mac_admin mac_override';

/** Devices a container without a user namespace may use: it may make any node, but use these alone. */
const privilegedDevices = [
  'b *:* m',
  'c *:* m',
  'c 136:* rwm', // pts
  'c 1:3 rwm', // null
  'c 1:5 rwm', // zero
  'c 1:7 rwm', // full
  'c 1:8 rwm', // random
  'c 1:9 rwm', // urandom
  'c 5:0 rwm', // tty
  'c 5:1 rwm', // console
  'c 5:2 rwm', // ptmx
  'c 10:229 rwm', // fuse
  'c 10:200 rwm', // net/tun
];

const identity = (machine: Machine): Setting[] => {
  const { idmap, diskIdmap } = machine;
  const onDisk = diskIdmap ?? [];
  const inside = idmap ?? [];
  // An idmapped mount translates from unshifted ids only.
  if (onDisk.length > 0 && !sameIdMap(onDisk, inside)) {
    throw conflict(`The files of instance "${machine.name}" belong to another id map than the one it starts with`);
  }
  if (inside.length === 0) return [['lxc.cap.drop', privilegedDrop]];
  return [
    ...lxcIdMap(inside).map((value): Setting => ['lxc.idmap', value]),
    ...(onDisk.length === 0 ? [['lxc.rootfs.options', 'idmap=container'] satisfies Setting] : []),
  ];
};

const security = (config: Config, place: Place, host: HostFacts, seccomp: boolean): Setting[] => {
  // Otherwise liblxc leaves its profile out where a filter is in force already.
  const stack = seccomp && (isTrue(config['security.nesting']) || deniesCompat(config));
  return [
    ...(seccomp ? [['lxc.seccomp.profile', place.seccomp] satisfies Setting] : []),
    ...(stack ? [['lxc.seccomp.allow_nesting', '1'] satisfies Setting] : []),
    ...(host.apparmor ? apparmorSettings(config) : [['lxc.apparmor.profile', 'unconfined'] satisfies Setting]),
  ];
};

const interception = (machine: Machine, place: Place): Setting[] =>
  interceptedCalls(machine).length === 0 ? [] : [['lxc.seccomp.notify.proxy', `unix:${place.calls}`]];

const deviceRules = (machine: Machine, attachments: readonly Attachment[]): Setting[] => {
  if (machine.idmap) return [];
  const nodes = attachments.filter((attachment) => attachment.kind === 'node').map(nodeRule);
  return ['lxc.cgroup.devices', 'lxc.cgroup2.devices'].flatMap((controller): Setting[] => [
    [`${controller}.deny`, 'a'],
    ...[...privilegedDevices, ...nodes].map((rule): Setting => [`${controller}.allow`, rule]),
  ]);
};

/**
 * liblxc restarts a container that reboots by itself, with the devices of before. The hook runs ahead of each start: on the
 * first it leaves a mark, on the second it notes the reboot and fails, so that the monitor ends and the caller starts anew.
 */
const rebootHook = (place: Place): Setting[] => {
  const quote = (path: string) => `'${path.replaceAll("'", `'\\''`)}'`;
  const [started, reboot] = [quote(place.startedMark), quote(place.rebootMark)];
  // liblxc puts `exec` in front; with a redirection alone that does not replace the shell.
  const script = `</dev/null; if [ -e ${started} ]; then : > ${reboot}; exit 1; else : > ${started}; fi`;
  return [
    ['lxc.hook.version', '1'],
    ['lxc.hook.pre-start', script],
  ];
};

/**
 * The whole configuration of a container. Nothing is included from the host's own liblxc configuration.
 *
 * @param seccomp - whether a filter was written to `place.seccomp`
 * @param limits - settings of the resource limits
 */
export const containerSettings = async (
  machine: Machine,
  place: Place,
  attachments: readonly Attachment[],
  host: HostFacts,
  seccomp: boolean,
  limits: readonly Setting[],
): Promise<Setting[]> => {
  const { config } = machine;
  const personality = personalities[machine.architecture];
  const disk = attachments.find((attachment) => attachment.kind === 'disk');
  if (disk) throw notImplemented(`Device "${disk.device}": a container cannot be given a disk, only a file system`);
  const mounts = attachments
    .filter((attachment) => attachment.kind === 'mount')
    // A mount below another comes after it.
    .sort((a, b) => a.target.split('/').length - b.target.split('/').length);
  return [
    ['lxc.log.file', place.log],
    ['lxc.log.level', 'warn'],
    ['lxc.uts.name', machine.name],
    ...(personality ? [['lxc.arch', personality] satisfies Setting] : []),
    ['lxc.console.buffer.size', 'auto'],
    ['lxc.console.size', 'auto'],
    ['lxc.console.logfile', place.consoleLog],
    ['lxc.cgroup.dir.container', place.payloadCgroup],
    ['lxc.cgroup.dir.monitor', place.monitorCgroup],
    ['lxc.rootfs.path', `dir:${machine.path}/rootfs`],
    ...identity(machine),
    ...standardMounts(machine, host.lxcfs),
    ...attachments
      .filter((attachment) => attachment.kind === 'node')
      .map((attachment) => attachedNode(machine, attachment)),
    ...(await Promise.all(mounts.map(attachedMount))),
    ...networkSettings(attachments.filter((attachment) => attachment.kind === 'nic')),
    ...deviceRules(machine, attachments),
    ...security(config, place, host, seccomp),
    ...interception(machine, place),
    ...rebootHook(place),
    ...limits,
    ...family(config, 'limits.kernel.').map(([name, value]): Setting => [`lxc.prlimit.${name}`, value]),
    ...family(config, 'linux.sysctl.').map(([name, value]): Setting => [`lxc.sysctl.${name}`, value]),
    ...family(config, 'environment.').map(([name, value]): Setting => ['lxc.environment', `${name}=${value}`]),
  ];
};

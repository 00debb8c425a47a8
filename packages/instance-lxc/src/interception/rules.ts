import { badRequest, type Config, isTrue, type Machine } from '@lxd-ts/driver-kit';

/** What is done with mounts: see `security.syscalls.intercept.mount.*`. */
export interface MountPolicy {
  /** File systems that are mounted on the container's behalf. */
  readonly allowed: readonly string[];
  /** File systems that a FUSE program of the container handles: type to program. */
  readonly fuse: Readonly<Record<string, string>>;
  /** Show owners through the container's id map. */
  readonly shift: boolean;
}

const prefix = 'security.syscalls.intercept.';

/** Character devices only: S_IFCHR of the type bits of `mode`. */
const ofCharacterDevice = (argument: number): string => `[${argument},8192,SCMP_CMP_MASKED_EQ,61440]`;

/** Lines of the filter for each key, in the order of lxc.container.conf(5). */
const lines: Readonly<Record<string, readonly string[]>> = {
  mknod: [`mknod notify ${ofCharacterDevice(1)}`, `mknodat notify ${ofCharacterDevice(2)}`],
  setxattr: ['setxattr notify', 'lsetxattr notify', 'fsetxattr notify'],
  sched_setscheduler: ['sched_setscheduler notify'],
  sysinfo: ['sysinfo notify'],
  mount: ['mount notify'],
};

/** The calls a container wants intercepted, as in the keys. Those without a user namespace need none of it. */
export const interceptedCalls = ({ config, idmap }: Pick<Machine, 'config' | 'idmap'>): string[] =>
  idmap ? Object.keys(lines).filter((call) => isTrue(config[`${prefix}${call}`])) : [];

/** The lines those calls add to the container's filter. */
export const interceptionRules = (machine: Pick<Machine, 'config' | 'idmap'>): string[] =>
  interceptedCalls(machine).flatMap((call) => lines[call] ?? []);

const words = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

const fuseKey = `${prefix}mount.fuse`;

export const mountPolicy = (config: Config): MountPolicy => ({
  allowed: words(config[`${prefix}mount.allowed`]),
  shift: isTrue(config[`${prefix}mount.shift`]),
  fuse: Object.fromEntries(
    words(config[fuseKey]).map((pair) => {
      const [type, program] = pair.split('=');
      if (!type || !program) {
        throw badRequest(`Invalid value for "${fuseKey}": "${pair}" is not of the form <file system>=<program>`);
      }
      return [type, program];
    }),
  ),
});

/** @throws LxdError bad-request for a key that cannot be served, or a value of the wrong form */
export const validateInterception = (config: Config): void => {
  mountPolicy(config);
  for (const key of [`${prefix}bpf`, `${prefix}bpf.devices`]) {
    if (isTrue(config[key])) throw badRequest(`"${key}" cannot be set: this server does not intercept bpf()`);
  }
};

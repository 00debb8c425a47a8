/**
 * The system call filter of a container, in liblxc's profile format (SECCOMP CONFIGURATION in lxc.container.conf(5)).
 */
import { badRequest, type Config, isTrue, isTrueOrUnset } from '@lxd-ts/driver-kit';

/** ENOSYS: callers take the call for one the kernel lacks, and fall back. */
const NOT_IMPLEMENTED = 'errno 38';
const NOT_PERMITTED = 'errno 1';

/** What no container may do, as in liblxc's common.seccomp: umount -f, kexec, opening files by handle, kernel modules. */
const denyDefault = [
  'reject_force_umount',
  '[all]',
  ...['kexec_load', 'open_by_handle_at', 'init_module', 'finit_module', 'delete_module'].map(
    (call) => `${call} ${NOT_IMPLEMENTED}`,
  ),
];

const lines = (value: string | undefined): string[] =>
  (value ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** The former names of the keys still count. */
const either = (config: Config, key: string, former: string): string | undefined =>
  config[`security.syscalls.${key}`] || config[`security.syscalls.${former}`];

/** Checks the keys against each other. @throws LxdError bad-request */
export const validateSeccomp = (config: Config): void => {
  if (!either(config, 'allow', 'whitelist')) return;
  for (const key of ['deny', 'deny_default', 'deny_compat', 'blacklist', 'blacklist_default', 'blacklist_compat']) {
    if (config[`security.syscalls.${key}`]) {
      throw badRequest(`"security.syscalls.allow" cannot be combined with "security.syscalls.${key}"`);
    }
  }
};

/** Whether the 32-bit interfaces are to be denied; other architectures have none. */
export const deniesCompat = (config: Config): boolean =>
  process.arch === 'x64' && isTrue(either(config, 'deny_compat', 'blacklist_compat'));

/**
 * The profile for a configuration.
 *
 * @param intercepted - lines for system calls that are reported instead of denied
 * @returns undefined when nothing is filtered
 */
export const seccompProfile = (config: Config, intercepted: readonly string[] = []): string | undefined => {
  if (config['raw.seccomp']) return config['raw.seccomp'];
  const allow = lines(either(config, 'allow', 'whitelist'));
  if (allow.length > 0) return ['2', 'allowlist', '[all]', ...allow, ...intercepted, ''].join('\n');
  const rules: string[] = [];
  if (isTrueOrUnset(either(config, 'deny_default', 'blacklist_default'))) rules.push(...denyDefault);
  const deny = lines(either(config, 'deny', 'blacklist'));
  if (deny.length > 0) {
    // A line may carry its own action (`mkdir errno 0`) and its own architecture (`[x86]`).
    rules.push('[all]', ...deny.map((line) => (/^\[|\s/.test(line) ? line : `${line} ${NOT_PERMITTED}`)));
  }
  if (intercepted.length > 0) rules.push('[all]', ...intercepted);
  return rules.length === 0 ? undefined : ['2', 'denylist', ...rules, ''].join('\n');
};

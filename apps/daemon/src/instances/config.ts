import { badRequest, type Config, findKey, isTrue, validateConfig } from '@lxd-ts/driver-kit';
import { instanceKeys } from '../config/instance-keys.ts';
import type { Instance } from './instance.ts';

/** Keys that the server keeps and clients do not set. */
export const isServerKey = (key: string): boolean => key.startsWith('volatile.') || key.startsWith('image.');

/** Server keys that tell of the server an instance was on rather than of the instance. */
export const isHostState = (key: string): boolean =>
  /^volatile\.(?:idmap\.|last_state\.|uuid\.generation$|evacuate\.|restore$|rename$|[^.]+\.(?:host_name$|created$|last_state\.|ceph_rbd$|id$|quota$))/.test(
    key,
  );

/**
 * Checks the own configuration of an instance.
 *
 * @param before - what is stored: keys that the server keeps may be sent back unchanged, not set or changed
 * @throws LxdError bad-request naming the key
 */
export const checkInstanceConfig = (config: Config, before: Config, type: Instance['type']): void => {
  validateConfig(instanceKeys, config, 'instance');
  for (const [key, value] of Object.entries(config)) {
    if (isServerKey(key) && value !== before[key]) throw badRequest(`Key "${key}" cannot be set: the server keeps it`);
    const condition = findKey(instanceKeys, key)?.condition ?? '';
    const only = /^(?:unprivileged )?(container|virtual-machine)$/.exec(condition)?.[1];
    if (only && only !== type) throw badRequest(`Key "${key}" is for instances of type ${only} only`);
  }
  if (
    config['security.syscalls.allow'] &&
    Object.keys(config).some((key) => key.startsWith('security.syscalls.deny'))
  ) {
    throw badRequest('Key "security.syscalls.allow" cannot be used together with "security.syscalls.deny*"');
  }
  if (
    process.env['LXD_UNPRIVILEGED_ONLY'] === 'true' &&
    isTrue(config['security.privileged']) &&
    !isTrue(before['security.privileged'])
  ) {
    throw badRequest(
      'Key "security.privileged": this server allows unprivileged containers only (LXD_UNPRIVILEGED_ONLY)',
    );
  }
};

/** What a client may change of the configuration, with what the server keeps taken from `before`. */
export const withServerKeys = (config: Config, before: Config): Config => ({
  ...Object.fromEntries(Object.entries(config).filter(([key]) => !isServerKey(key))),
  ...Object.fromEntries(Object.entries(before).filter(([key]) => isServerKey(key))),
});

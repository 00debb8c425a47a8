import type { Config, Machine } from '@lxd-ts/driver-kit';
import { forget, intercept } from './attach-client.ts';
import { interceptedCalls, mountPolicy } from './interception/rules.ts';
import type { Place } from './place.ts';
import { serverKind } from './server-kind.ts';

/**
 * Has the attach server do for a container what it asks the kernel in vain, if it is to; also again, with changed settings.
 *
 * @param config - settings that differ from those the container was started with
 */
export const interceptCalls = async (
  machine: Machine,
  place: Place,
  config: Config = machine.config,
): Promise<void> => {
  if (machine.idmap === undefined || interceptedCalls(machine).length === 0) return;
  await intercept(serverKind(machine), {
    type: 'intercept',
    socket: place.calls,
    idmap: machine.idmap,
    cgroup: place.payloadCgroup,
    mounts: mountPolicy(config),
  });
};

/** Ends that. */
export const stopIntercepting = (place: Place): Promise<void> => forget(place.calls);

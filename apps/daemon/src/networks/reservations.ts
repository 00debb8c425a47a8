import { isIPv4 } from 'node:net';
import { type Config, isTrue, type Reservation } from '@lxd-ts/driver-kit';
import type { Instance } from '../instances/instance.ts';

/** The NIC that a reservation is for. */
export type ReservationOwner = Pick<Reservation, 'project' | 'instance' | 'device'>;

/** Whether a NIC is on a managed network: it names the network, or its bridge as `parent`. */
export const isOnNetwork = (config: Config, network: string): boolean =>
  config['type'] === 'nic' &&
  (config['network'] === network || (config['nictype'] === 'bridged' && config['parent'] === network));

/** The address a NIC has for certain: the one configured, or while addresses are filtered the one it was last allowed. */
const fixedAddress = (config: Config, volatile: string | undefined, family: 'ipv4' | 'ipv6'): string | undefined => {
  const configured = config[`${family}.address`];
  if (configured) return configured === 'none' ? undefined : configured;
  if (!isTrue(config[`security.${family}_filtering`])) return undefined;
  return volatile?.split(',').find((address) => isIPv4(address) === (family === 'ipv4'));
};

/** What a network's DHCP and DNS must know of the NICs of these instances, of whatever project, running or not. */
export const reservationsOf = (instances: readonly Instance[], network: string): Reservation[] =>
  instances.flatMap((instance) =>
    Object.entries(instance.expanded.devices).flatMap(([device, config]) => {
      const volatile = (key: string): string | undefined => instance.config[`volatile.${device}.${key}`];
      const hwaddr = config['hwaddr'] || volatile('hwaddr');
      // One that never ran has no hardware address: it is told of when it starts.
      if (!isOnNetwork(config, network) || !hwaddr) return [];
      const ipv4 = fixedAddress(config, volatile('last_state.ip_addresses'), 'ipv4');
      const ipv6 = fixedAddress(config, volatile('last_state.ip_addresses'), 'ipv6');
      return [
        {
          project: instance.project,
          instance: instance.name,
          device,
          hwaddr,
          ...(ipv4 ? { ipv4 } : {}),
          ...(ipv6 ? { ipv6 } : {}),
        },
      ];
    }),
  );

import type { Config } from '../../config.ts';
import type { DeviceContext } from '../../device/contract.ts';
import { notFound } from '../../errors.ts';
import type { Network, Reservation } from '../../network/contract.ts';

/** A network that NICs can name, with the reservations made on it so far. */
export interface TestNetwork {
  readonly network: Network;
  readonly type: string;
  readonly config: Config;
  readonly reservations: Map<string, Reservation>;
}

export const testNetwork = (network: Network, type: string, config: Config): TestNetwork => ({
  network,
  type,
  config,
  reservations: new Map(),
});

/**
 * What a daemon tells a NIC's driver.
 *
 * @param networks - by name
 * @param volatile - what earlier starts left, without prefix
 */
export const nicContext = (
  networks: Readonly<Record<string, TestNetwork>>,
  instance: string,
  device: string,
  volatile: Config = {},
  server: Config = {},
): DeviceContext => {
  const find = (name: string): TestNetwork => {
    const found = networks[name];
    if (!found) throw notFound(`Network "${name}" not found`);
    return found;
  };
  return {
    instance: { name: instance, project: 'default', type: 'container', config: {}, devices: {} },
    directory: '/nonexistent',
    logs: '/nonexistent',
    volatile,
    server,
    network(name) {
      const { network, config, type } = find(name);
      return { config, type, preset: network.nicPreset(), leases: () => network.leases() };
    },
    async reserve(name, reservation) {
      const { network, reservations } = find(name);
      const key = `${instance}/${device}`;
      const before = reservations.get(key);
      const put = (value: Reservation | undefined): unknown =>
        value ? reservations.set(key, value) : reservations.delete(key);
      put(reservation);
      try {
        await network.setReservations([...reservations.values()]);
      } catch (error) {
        put(before);
        throw error;
      }
    },
    volume: (pool, name) => Promise.reject(notFound(`Volume "${name}" of pool "${pool}" not found`)),
    hotplug: () => Promise.reject(new Error('A NIC does not come and go')),
    warn(message) {
      process.emitWarning(message);
    },
  };
};

import type { Config } from '../../config.ts';
import type { DeviceContext } from '../../device/contract.ts';
import { notFound } from '../../errors.ts';
import type { Network, Reservation } from '../../network/contract.ts';
import { serial } from '../../serial.ts';

/** A network that NICs can name, with the reservations made on it so far. */
export interface TestNetwork {
  readonly network: Network;
  readonly type: string;
  readonly config: Config;
  readonly reservations: Map<string, Reservation>;
  /** Carries out pieces of work one after another. */
  readonly reserving: (work: () => Promise<void>) => Promise<void>;
}

export const testNetwork = (network: Network, type: string, config: Config): TestNetwork => ({
  network,
  type,
  config,
  reservations: new Map(),
  reserving: serial(),
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
    async reserve(name, choose) {
      const { network, reservations, reserving } = find(name);
      await reserving(async () => {
        const [key, reservation] = [`${instance}/${device}`, await choose()];
        await network.setReservations([...new Map(reservations).set(key, reservation).values()]);
        reservations.set(key, reservation);
      });
    },
    volume: (pool, name) => Promise.reject(notFound(`Volume "${name}" of pool "${pool}" not found`)),
    hotplug: () => Promise.reject(new Error('A NIC does not come and go')),
    warn(message) {
      process.emitWarning(message);
    },
  };
};

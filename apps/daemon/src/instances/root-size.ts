/** The size of instances' root disks, some of which must wait for the next start. */
import { type Config, type Device, isKind, LxdError, messageOf, parseSize } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { type Instance, rootDisk } from './instance.ts';
import type { Runs } from './running.ts';
import type { InstanceStore } from './store.ts';

export interface RootSizes {
  /**
   * Gives the root volume of an instance the size of its root disk. A file system that does not shrink while it is mounted does so at the
   * next start of the instance (spec 03.306, 05.52); that is also when a change happens that a kill cut short.
   *
   * @param before - the size it had; unset: none of its own
   * @throws LxdError what the pool throws; nothing has changed then
   */
  change(instance: Instance, root: Device, before: string | undefined): Promise<void>;
  /**
   * Does what waited for the start of an instance whose root volume is not mounted.
   *
   * @throws LxdError that says what is wrong with the size
   */
  catchUp(instance: Instance): Promise<void>;
}

interface Parts {
  readonly store: InstanceStore;
  readonly runs: Runs;
  readonly resize: (instance: Instance, root: Config) => Promise<void>;
  readonly log: Logger;
}

const waitingKey = (device: string): string => `volatile.${device}.apply_quota`;
const isWaiting = (key: string): boolean => /^volatile\..+\.apply_quota$/.test(key);

const isSmaller = (size: string | undefined, before: string | undefined): boolean =>
  !!size && (!before || parseSize(size) < parseSize(before));

export const createRootSizes = ({ store, runs, resize, log }: Parts): RootSizes => ({
  async change(instance, { name, config }, before) {
    const { size } = config;
    const key = waitingKey(name);
    await store.setConfig(instance.id, { [key]: size || '0' });
    try {
      await resize(instance, config);
    } catch (error) {
      if (isKind(error, 'conflict') && runs.get(instance) && isSmaller(size, before)) {
        log.info({ instance: instance.name, size }, 'The root disk gets its size at the next start');
        return;
      }
      await store.setConfig(instance.id, { [key]: '' });
      throw error;
    }
    await store.setConfig(instance.id, { [key]: '' });
  },

  async catchUp(instance) {
    const waiting = Object.keys(instance.config).filter(isWaiting);
    const root = rootDisk(instance.expanded.devices);
    if (waiting.length === 0 || !root) return;
    try {
      await resize(instance, root.config);
    } catch (error) {
      throw new LxdError(
        isKind(error) ? error.kind : 'internal',
        `The size of device "${root.name}", ${root.config['size'] || 'none'}, cannot be applied: ${messageOf(error)}`,
        { cause: error },
      );
    }
    await store.setConfig(instance.id, Object.fromEntries(waiting.map((key) => [key, ''])));
  },
});

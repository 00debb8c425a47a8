/** Devices that come to an instance, and go, while it runs. */
import { join } from 'node:path';
import type { Attachment, Config } from '@lxd-ts/driver-kit';
import { type IdMap, isErrno } from '@lxd-ts/host';
import type { Logger } from 'pino';
import type { DeviceManager } from '../devices/manager.ts';
import { type Changing, forgetChanging, loadChanging, saveAttachments, saveChanging } from './attachments.ts';
import { handleOf, type Instance, isRootDisk } from './instance.ts';
import type { Run } from './running.ts';
import type { InstanceStore } from './store.ts';

type Named = Pick<Instance, 'name' | 'project'>;

export interface Hotplug {
  /** Brings a device up and attaches it. */
  attach(run: Run, instance: Instance, name: string, config: Config, idmap: IdMap | undefined): Promise<void>;
  /** Detaches a device and brings it down. */
  detach(run: Run, instance: Instance, name: string, config: Config): Promise<void>;
  /** Notes what is attached now. */
  keep(run: Run, instance: Named, attachments: readonly Attachment[]): Promise<void>;
  /** To be called before an instance changes, and `settled` when the record says what it is. */
  changing(instance: Named, what: Changing): Promise<void>;
  settled(instance: Named): Promise<void>;
  /**
   * Makes an instance that is found running what the record says, where that was being changed when the daemon died. For devices that
   * have been taken up.
   */
  recover(run: Run, instance: Instance): Promise<void>;
}

interface Parts {
  readonly devices: DeviceManager;
  readonly store: InstanceStore;
  readonly directories: {
    /** `<LXD_DIR>/devices`. */
    readonly devices: string;
  };
  readonly log: Logger;
}

/** Of a root disk, what can change while its instance runs: the limits. Its size is the volume's business. */
export const limitsOfRoot = (config: Config): Config => ({
  type: 'disk',
  path: '/',
  ...Object.fromEntries(Object.entries(config).filter(([key]) => key.startsWith('limits.'))),
});

export const createHotplug = ({ devices, store, directories, log }: Parts): Hotplug => {
  const directoryOf = (instance: Named): string => join(directories.devices, handleOf(instance));

  const keep: Hotplug['keep'] = async (run, instance, attachments) => {
    run.attachments = attachments;
    await saveAttachments(directoryOf(instance), attachments);
  };

  const attach: Hotplug['attach'] = async (run, instance, name, config, idmap) => {
    const { pid } = run.running;
    const started = await devices.startOne(instance, { name, config }, { idmap, pid, present: run.attachments });
    // Noted before: what is attached and not noted could never be detached.
    await saveAttachments(directoryOf(instance), [...run.attachments, ...started.attachments]);
    for (const attachment of started.attachments) {
      await run.running.attach(attachment);
      run.attachments = [...run.attachments, attachment];
    }
    await started.afterStart(pid);
    await store.setConfig(instance.id, started.volatile);
  };

  const without = (run: Run, name: string): Attachment[] => run.attachments.filter(({ device }) => device !== name);
  const of = (run: Run, name: string): Attachment[] => run.attachments.filter(({ device }) => device === name);

  /** Does what there may be nothing to do for. */
  const attempt = async (instance: Instance, device: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.warn({ err: error, instance: instance.name, device }, 'The device was not whole when the daemon died');
    }
  };

  return {
    attach,
    keep,

    async detach(run, instance, name, config) {
      for (const attachment of of(run, name)) await run.running.detach(attachment);
      await keep(run, instance, without(run, name));
      await store.setConfig(instance.id, await devices.stopOne(instance, { name, config }, run.running.pid));
    },

    async changing(instance, what) {
      try {
        await saveChanging(directoryOf(instance), what);
      } catch (error) {
        // It has just stopped: there is nothing to make good.
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    },
    settled: (instance) => forgetChanging(directoryOf(instance)),

    async recover(run, instance) {
      const { devices: wanted, config } = instance.expanded;
      const { pid } = run.running;
      const changing = await loadChanging(directoryOf(instance));
      const strange = run.attachments.map(({ device }) => device).filter((device) => !wanted[device]);
      for (const name of new Set([...changing.devices, ...strange])) {
        log.warn({ instance: instance.name, device: name }, 'The device was being changed when the daemon died');
        const next = wanted[name];
        if (next && isRootDisk(next)) {
          const limits = limitsOfRoot(next);
          await devices.updateOne(instance, { name, config: limits }, limits, pid);
          continue;
        }
        for (const attachment of of(run, name)) await attempt(instance, name, () => run.running.detach(attachment));
        await keep(run, instance, without(run, name));
        if (!next) continue;
        await attempt(instance, name, async () => {
          await store.setConfig(instance.id, await devices.stopOne(instance, { name, config: next }, pid));
        });
        await attach(run, instance, name, next, run.idmap);
      }
      if (changing.keys.length > 0) {
        log.warn({ instance: instance.name, keys: changing.keys }, 'Keys were being changed when the daemon died');
        await run.running.update(config, changing.keys);
      }
      await forgetChanging(directoryOf(instance));
    },
  };
};

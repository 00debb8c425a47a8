import { isDeepStrictEqual } from 'node:util';
import { changedKeys } from '@lxd-ts/driver-kit';
import { handleOf, type Instance } from '../instances/instance.ts';

export const guestEventTypes = ['config', 'device'] as const;
export type GuestEventType = (typeof guestEventTypes)[number];

/** An event as a guest sees it (spec 09 DEV-05). */
export interface GuestEvent {
  readonly timestamp: string;
  readonly type: GuestEventType;
  readonly metadata: unknown;
}

/** What happens to an instance's own configuration and devices, for those inside who listen. */
export interface GuestEvents {
  /** Tells a guest what an update of its instance changed. */
  changed(before: Instance, after: Instance): void;
  /** @returns a function that stops the listening */
  subscribe(instance: Pick<Instance, 'name' | 'project'>, listener: (event: GuestEvent) => void): () => void;
}

/** Keys a guest may see. */
export const isGuestKey = (key: string): boolean => key.startsWith('user.') || key.startsWith('cloud-init.');

export const createGuestEvents = (): GuestEvents => {
  const listeners = new Map<string, Set<(event: GuestEvent) => void>>();

  return {
    changed(before, after) {
      const interested = listeners.get(handleOf(after));
      if (!interested || interested.size === 0) return;
      const publish = (type: GuestEventType, metadata: unknown): void => {
        const event = { timestamp: new Date().toISOString(), type, metadata };
        for (const listener of interested) listener(event);
      };
      for (const key of changedKeys(before.expanded.config, after.expanded.config).filter(isGuestKey)) {
        publish('config', {
          key,
          old_value: before.expanded.config[key] ?? '',
          value: after.expanded.config[key] ?? '',
        });
      }
      const [was, is] = [before.expanded.devices, after.expanded.devices];
      for (const name of new Set([...Object.keys(was), ...Object.keys(is)])) {
        if (isDeepStrictEqual(was[name], is[name])) continue;
        const action = was[name] === undefined ? 'added' : is[name] === undefined ? 'removed' : 'updated';
        publish('device', { name, action, config: is[name] ?? was[name] });
      }
    },

    subscribe(instance, listener) {
      const handle = handleOf(instance);
      const interested = listeners.get(handle) ?? new Set();
      listeners.set(handle, interested);
      interested.add(listener);
      return () => {
        interested.delete(listener);
        if (interested.size === 0) listeners.delete(handle);
      };
    },
  };
};

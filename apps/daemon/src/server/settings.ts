import { type Database, loadServerConfig, localSchema, patchServerConfig, schema } from '@lxd-ts/database';
import { type Config, changedKeys, findKey, validateConfig, withoutEmpty } from '@lxd-ts/driver-kit';
import { serverKeys } from '../config/server-keys.ts';

/** Called with the new configuration before it is stored; throws to refuse. The result undoes what it did. */
export type SettingsHook = (config: Config, changed: readonly string[]) => Promise<void> | void;

/** The server configuration: keys of the whole cluster and of this member. Read from memory. */
export interface Settings {
  /** All set keys. */
  all(): Config;
  /** The value, else the declared default, else undefined. */
  get(key: string): string | undefined;
  /** Makes `config` the whole configuration. @throws LxdError bad-request, and what the hooks throw; then nothing changed */
  replace(config: Config): Promise<void>;
  /** Registers what must happen when any of `keys` changes (a listener to be moved, …). */
  onChange(keys: readonly string[], hook: SettingsHook): void;
}

const isLocal = (key: string): boolean => findKey(serverKeys, key)?.scope === 'local';

/** Reads the configuration once; from then on memory and database change together. */
export const loadSettings = async (local: Database, global: Database): Promise<Settings> => {
  let current: Config = {
    ...(await global.read((tx) => loadServerConfig(tx, schema.config))),
    ...(await local.read((tx) => loadServerConfig(tx, localSchema.config))),
  };
  const hooks: { keys: readonly string[]; hook: SettingsHook }[] = [];

  const write = async (before: Config, after: Config): Promise<void> => {
    const changes = changedKeys(before, after).map((key): [string, string | null] => [key, after[key] ?? null]);
    const own = Object.fromEntries(changes.filter(([key]) => isLocal(key)));
    const shared = Object.fromEntries(changes.filter(([key]) => !isLocal(key)));
    if (Object.keys(shared).length > 0) await global.transaction((tx) => patchServerConfig(tx, schema.config, shared));
    if (Object.keys(own).length > 0) await local.transaction((tx) => patchServerConfig(tx, localSchema.config, own));
  };

  return {
    all: () => current,
    get: (key) => current[key] ?? findKey(serverKeys, key)?.default,

    async replace(config) {
      const next = withoutEmpty(config);
      validateConfig(serverKeys, next, 'server');
      const before = current;
      const changed = changedKeys(before, next);
      const due = hooks.filter(({ keys }) => keys.some((key) => changed.includes(key)));
      const applied: SettingsHook[] = [];
      try {
        for (const { hook } of due) {
          applied.push(hook);
          await hook(next, changed);
        }
        await write(before, next);
        current = next;
      } catch (error) {
        for (const hook of applied.reverse()) await hook(before, changed);
        throw error;
      }
    },

    onChange: (keys, hook) => void hooks.push({ keys, hook }),
  };
};

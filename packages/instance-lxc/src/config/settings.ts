import { badRequest } from '@lxd-ts/driver-kit';

/** One line of a container's configuration, lxc.container.conf(5). */
export type Setting = readonly [key: string, value: string];

/**
 * Writes settings as a configuration file.
 *
 * @throws LxdError bad-request for a value of several lines, which the format cannot express
 */
export const renderSettings = (settings: readonly Setting[]): string =>
  settings
    .map(([key, value]) => {
      if (/[\n\0]/.test(value)) throw badRequest(`Invalid value for "${key}": it must be a single line`);
      return `${key} = ${value}\n`;
    })
    .join('');

/** The members of a family of keys: `suffixes(config, 'environment.')` gives name and value of each variable. */
export const family = (config: Readonly<Record<string, string>>, prefix: string): [name: string, value: string][] =>
  Object.entries(config)
    .filter(([key, value]) => key.startsWith(prefix) && key.length > prefix.length && value !== '')
    .map(([key, value]) => [key.slice(prefix.length), value]);

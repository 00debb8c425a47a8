import type { InstanceFull } from '@lxd-ts/api';
import { UserError } from '../../command/errors.ts';
import { isSet, minute } from '../../output/time.ts';
import { bytesIec, parseBytes } from '../../output/units.ts';

/** One column of `lxc list`: its head, what it shows, and what it needs from the server. */
export interface Column {
  name: string;
  show(instance: InstanceFull): string;
  /** Whether it needs the state and the snapshots, which cost the server time. */
  full: boolean;
}

const isActive = ({ status_code: code }: InstanceFull): boolean =>
  code === 103 || code === 110 || code === 112 || code === 113;

const addresses = (instance: InstanceFull, family: string): string => {
  if (!isActive(instance)) return '';
  const shown = Object.entries(instance.state?.network ?? {}).flatMap(([name, network]) =>
    network.type === 'loopback'
      ? []
      : network.addresses
          .filter((address) => address.family === family && address.scope !== 'link' && address.scope !== 'local')
          .map(({ address }) => `${address} (${name})`),
  );
  return shown.sort().reverse().join('\n');
};

const memoryPercent = (instance: InstanceFull): string => {
  const limit = parseBytes(instance.expanded_config['limits.memory'] ?? '');
  if (!isActive(instance) || limit === undefined || limit === 0 || !instance.state) return '';
  return `${((instance.state.memory.usage / limit) * 100).toFixed(1)}%`;
};

const instanceType = ({ type, ephemeral }: InstanceFull): string =>
  `${type.toUpperCase()}${ephemeral ? ' (EPHEMERAL)' : ''}`;

const rootDisk = ({ expanded_devices: devices }: InstanceFull): [string, Record<string, string>] | undefined =>
  Object.entries(devices).find(([, device]) => device.type === 'disk' && device.path === '/');

const positive = (value: number | undefined, show: (value: number) => string): string =>
  value !== undefined && value > 0 ? show(value) : '';

const light = (name: string, show: Column['show']): Column => ({ name, show, full: false });
const heavy = (name: string, show: Column['show']): Column => ({ name, show, full: true });

const columns: Record<string, Column> = {
  4: heavy('IPV4', (instance) => addresses(instance, 'inet')),
  6: heavy('IPV6', (instance) => addresses(instance, 'inet6')),
  a: light('ARCHITECTURE', ({ architecture }) => architecture),
  b: light('STORAGE POOL', (instance) => rootDisk(instance)?.[1].pool ?? ''),
  c: light('CREATED AT', ({ created_at: time }) => (isSet(time) ? minute(time) : '')),
  d: light('DESCRIPTION', ({ description }) => description),
  D: heavy('DISK USAGE', (instance) =>
    positive(instance.state?.disk?.[rootDisk(instance)?.[0] ?? 'root']?.usage, (usage) => bytesIec(usage, 2)),
  ),
  e: light('PROJECT', ({ project }) => project),
  f: light('BASE IMAGE', ({ config }) => (config['volatile.base_image'] ?? '').slice(0, 12)),
  F: light('BASE IMAGE', ({ config }) => config['volatile.base_image'] ?? ''),
  l: light('LAST USED AT', ({ last_used_at: time }) => (isSet(time) ? minute(time) : '')),
  L: light('LOCATION', ({ location }) => location),
  m: heavy('MEMORY USAGE', (instance) =>
    isActive(instance) ? positive(instance.state?.memory.usage, (usage) => bytesIec(usage, 2)) : '',
  ),
  M: heavy('MEMORY USAGE%', memoryPercent),
  n: light('NAME', ({ name }) => name),
  N: heavy('PROCESSES', (instance) => (isActive(instance) && instance.state ? String(instance.state.processes) : '')),
  p: heavy('PID', (instance) => (isActive(instance) && instance.state ? String(instance.state.pid) : '')),
  P: light('PROFILES', ({ profiles }) => profiles.join('\n')),
  s: light('STATE', ({ status }) => status.toUpperCase()),
  S: heavy('SNAPSHOTS', ({ snapshots }) => String(snapshots?.length ?? 0)),
  t: light('TYPE', instanceType),
  u: heavy('CPU USAGE', (instance) =>
    isActive(instance) ? positive(instance.state?.cpu.usage, (usage) => `${Math.trunc(usage / 1e9)}s`) : '',
  ),
};

/** The columns of a fast listing, which needs no state. */
export const fastColumns = 'nsacPt';
export const defaultColumns = 'ns46tSL';

const customColumn = (text: string): Column => {
  const fields = text.split(':');
  const kind = fields[0] === 'config' || fields[0] === 'devices' ? fields.shift() : 'config';
  const [key = '', name, width] = fields;
  if (fields.length > 3) throw new UserError(`Invalid config key column format (too many fields): '${text}'`);
  if (name === '' && width === undefined) {
    throw new UserError(`Invalid name in '${text}', empty string is only allowed when defining maxWidth`);
  }
  let limit = -1;
  if (width !== undefined) {
    if (!/^[-+]?\d+$/.test(width))
      throw new UserError(`Invalid max width (must be an integer) '${width}' in '${text}'`);
    limit = Number(width);
    if (limit < -1) throw new UserError(`Invalid max width (must -1, 0 or a positive integer) '${width}' in '${text}'`);
  }
  const head = name === undefined || name === '' ? key.replaceAll('.', ' ').toUpperCase() : name;
  if (limit === 0) limit = head.length;
  const value = ({ expanded_config: config, expanded_devices: devices }: InstanceFull): string => {
    if (kind === 'config') return config[key] ?? '';
    const dot = key.indexOf('.');
    return devices[key.slice(0, dot)]?.[key.slice(dot + 1)] ?? '';
  };
  return light(head, (instance) => (limit > 0 ? value(instance).slice(0, limit) : value(instance)));
};

/**
 * Reads the argument of `lxc list -c`: letters, and keys as `[config:|devices:]key[:name][:width]`, parted by commas.
 *
 * @param clustered - whether the server is in a cluster; without one there is no location to show
 * @throws UserError in the reference client's words
 */
export const parseColumns = (text: string, clustered: boolean): Column[] => {
  const wanted = text === defaultColumns && !clustered ? text.replace('L', '') : text;
  return wanted.split(',').flatMap((part) => {
    if (part === '') {
      throw new UserError(`Empty column entry (redundant, leading or trailing command) in '${wanted}'`);
    }
    if (part.includes('.')) return [customColumn(part)];
    return [...part].map((letter) => {
      const column = columns[letter];
      if (column === undefined) throw new UserError(`Unknown column shorthand char '${letter}' in '${part}'`);
      if (letter === 'L' && !clustered) throw new UserError("Can't specify column L when not clustered");
      return column;
    });
  });
};

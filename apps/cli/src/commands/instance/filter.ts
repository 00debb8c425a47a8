import { BlockList, isIP } from 'node:net';
import type { InstanceFull } from '@lxd-ts/api';

/** A regular expression that must match the whole text, unless it says itself where it begins or ends. */
const pattern = (text: string): RegExp | undefined => {
  const anchored = /[\^$]/.test(text) ? text : `^${text}$`;
  try {
    // A leading star repeats the anchor, which RE2 allows and JavaScript does not.
    return new RegExp(anchored.replace(/^\^\*/, ''));
  } catch {
    return undefined;
  }
};

const matches = (wanted: string, value: string): boolean => wanted === value || (pattern(wanted)?.test(value) ?? false);

/** Whether each dotted part of the short key begins the part of the full key: `u.blah` stands for `user.blah`. */
const abbreviates = (short: string, full: string): boolean => {
  const shortParts = short.split('.');
  const fullParts = full.split('.');
  return (
    shortParts.length === fullParts.length && shortParts.every((part, index) => fullParts[index]?.startsWith(part))
  );
};

const inRange = (range: string, family: 'ipv4' | 'ipv6', instance: InstanceFull): boolean => {
  const [base = '', prefix = family === 'ipv4' ? '32' : '128'] = range.split('/');
  const version = family === 'ipv4' ? 4 : 6;
  if (isIP(base) !== version) return false;
  const block = new BlockList();
  block.addSubnet(base, Number(prefix), family);
  return Object.values(instance.state?.network ?? {}).some(({ addresses }) =>
    addresses.some(({ address }) => isIP(address) === version && block.check(address, family)),
  );
};

const anyOf = (values: string, test: (value: string) => boolean): boolean => values.split(',').some(test);

const same =
  (actual: string) =>
  (wanted: string): boolean =>
    wanted.toLowerCase() === actual.toLowerCase();

const shorthands: Record<string, (instance: InstanceFull, values: string) => boolean> = {
  type: (instance, values) => anyOf(values, same(instance.type)),
  status: (instance, values) => anyOf(values, same(instance.status)),
  architecture: (instance, values) => anyOf(values, same(instance.architecture)),
  location: (instance, values) => anyOf(values, same(instance.location)),
  name: (instance, values) => anyOf(values, (wanted) => matches(wanted, instance.name)),
  ipv4: (instance, values) => anyOf(values, (range) => inRange(range, 'ipv4', instance)),
  ipv6: (instance, values) => anyOf(values, (range) => inRange(range, 'ipv6', instance)),
};

const accepts = (filter: string, instance: InstanceFull): boolean => {
  if (filter === '') return true;
  const equals = filter.indexOf('=');
  if (equals < 0) return matches(filter, instance.name) || instance.name.startsWith(filter);
  const key = filter.slice(0, equals);
  const value = filter.slice(equals + 1);
  const shorthand = shorthands[key];
  if (shorthand) return shorthand(instance, value);
  return Object.entries(instance.expanded_config).some(
    ([name, actual]) => (name === key || abbreviates(key, name)) && matches(value, actual),
  );
};

/** Whether an instance satisfies every filter of a list command. */
export const selects = (filters: readonly string[], instance: InstanceFull): boolean =>
  filters.every((filter) => accepts(filter, instance));

/** Whether a filter looks at the addresses, which only a full listing has. */
export const needsState = (filters: readonly string[]): boolean => filters.some((filter) => /^ipv[46]=/.test(filter));

/** The part of the filters that the server can apply itself (spec 09 COL-03), so that it need not send everything. */
export const serverFilter = (filters: readonly string[]): string =>
  filters
    .map((filter) => /^(type|status|architecture|location)=([\w-]+)$/.exec(filter))
    .flatMap((found) => (found ? [`${found[1]} eq ${found[2]}`] : []))
    .join(' and ');

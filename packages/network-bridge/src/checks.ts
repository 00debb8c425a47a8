/** Checks of single configuration values. Each throws a sentence fragment, as `ConfigKey.check` wants it. */
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import {
  type Family,
  hostRangeOf,
  inRange,
  listItems,
  networkOf,
  parseAddress,
  parseRange,
  parseSubnet,
} from './addresses.ts';

type Check = (value: string) => void;

/** Applies a check to every item of a comma-separated list. */
export const each =
  (check: Check): Check =>
  (value) => {
    for (const item of listItems(value)) {
      try {
        check(item);
      } catch (error) {
        throw badRequest(`has the item "${item}", which ${messageOf(error)}`);
      }
    }
  };

export const isAddress =
  (family?: Family): Check =>
  (value) => {
    parseAddress(value, family);
  };

/** The address of the bridge itself, with its subnet. */
export const isHostSubnet =
  (family: Family): Check =>
  (value) => {
    const subnet = parseSubnet(value, family);
    if (!inRange(hostRangeOf(subnet), subnet)) {
      throw badRequest('must be the address of a host in the subnet, not that of the subnet itself or of broadcast');
    }
  };

/** A subnet without host bits: a route's target. */
export const isNetwork =
  (family: Family): Check =>
  (value) => {
    const subnet = parseSubnet(value, family);
    if (networkOf(subnet).value !== subnet.value) throw badRequest('must be a network address, without host bits');
  };

export const isRange =
  (family: Family): Check =>
  (value) => {
    parseRange(value, family);
  };

/** Accepts some words besides what `check` accepts. */
export const orWords =
  (words: readonly string[], check: Check): Check =>
  (value) => {
    if (words.includes(value)) return;
    try {
      check(value);
    } catch (error) {
      throw badRequest(`${messageOf(error)}, or ${words.join(' or ')}`);
    }
  };

export const isHwaddr: Check = (value) => {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value))
    throw badRequest('must be a MAC address: six bytes in hexadecimal, with colons');
  if (Number.parseInt(value.slice(0, 2), 16) & 1) throw badRequest('must be a unicast MAC address');
};

/** A name the kernel takes for an interface (IFNAMSIZ is 16 with the end), in the characters LXD permits. */
export const isInterfaceName: Check = (value) => {
  if (value.length < 2 || value.length > 15) throw badRequest('must be an interface name of 2 to 15 characters');
  if (!/^[A-Za-z0-9_.-]+$/.test(value) || value === '..' || value.startsWith('-')) {
    throw badRequest('must be an interface name of letters, digits, dots, dashes and underscores');
  }
};

/** A lease time as dnsmasq(8) takes it in `dhcp-range`. */
export const isLeaseTime: Check = (value) => {
  if (value !== 'infinite' && !/^[0-9]+[smhdw]?$/.test(value)) {
    throw badRequest('must be a time such as 1h, 30m, 2d, a number of seconds, or infinite');
  }
};

export const isDomain: Check = (value) => {
  const labels = value.replace(/\.$/, '').split('.');
  if (value.length > 253 || !labels.every((part) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(part))) {
    throw badRequest('must be a domain name');
  }
};

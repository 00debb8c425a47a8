/** Checks of single configuration values that only networks have. Each throws a sentence fragment, as `ConfigKey.check` wants it. */
import { badRequest, type Check, isHwaddr, must } from '@lxd-ts/driver-kit';
import { type Family, hostRangeOf, inRange, networkOf, parseAddress, parseRange, parseSubnet } from './addresses.ts';

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

/** An address that an interface can have: not one of a group. */
export const isUnicastHwaddr: Check = (value) => {
  isHwaddr(value);
  if (Number.parseInt(value.slice(0, 2), 16) & 1) throw badRequest('must be a unicast MAC address');
};

/** A lease time as dnsmasq(8) takes it in `dhcp-range`. */
export const isLeaseTime: Check = must(
  (value) => /^(infinite|[0-9]+[smhdw]?)$/.test(value),
  'must be a time such as 1h, 30m, 2d, a number of seconds, or infinite',
);

const isLabel = (label: string): boolean => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label);

export const isDomain: Check = must(
  (value) => value.length <= 253 && value.replace(/\.$/, '').split('.').every(isLabel),
  'must be a domain name',
);

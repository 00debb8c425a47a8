import { isIP, isIPv4, isIPv6 } from 'node:net';
import { badRequest, messageOf } from './errors.ts';

/** Looks at one configuration value; throws a sentence fragment such as `must be a MAC address` (see `ConfigKey.check`). */
export type Check = (value: string) => void;

/** A check from a test and the fragment that says what the value must be. */
export const must =
  (test: (value: string) => boolean, fragment: string): Check =>
  (value) => {
    if (!test(value)) throw badRequest(fragment);
  };

/** The items of a comma-separated list, without the white space around them. */
export const listItems = (value: string): string[] => value.split(',').map((item) => item.trim());

/** Applies a check to every item of a comma-separated list. */
export const each =
  (check: Check): Check =>
  (value) => {
    for (const item of listItems(value)) {
      try {
        if (item === '') throw badRequest('is empty');
        check(item);
      } catch (error) {
        throw badRequest(`has the item "${item}", which ${messageOf(error)}`, { cause: error });
      }
    }
  };

/** Accepts some words besides what `check` accepts. */
export const orWords =
  (words: readonly string[], check: Check): Check =>
  (value) => {
    if (words.includes(value)) return;
    try {
      check(value);
    } catch (error) {
      throw badRequest(`${messageOf(error)}, or ${words.join(' or ')}`, { cause: error });
    }
  };

const inBounds = (text: string, low: number, high: number): boolean =>
  /^\d+$/.test(text) && Number(text) >= low && Number(text) <= high;

/** Whether the text is `N` or `N-M` with both in the bounds and in order. */
const isSpan = (text: string, low: number, high: number): boolean => {
  const [first = '', last = first, ...more] = text.split('-');
  return more.length === 0 && inBounds(first, low, high) && inBounds(last, low, high) && Number(first) <= Number(last);
};

export const isAddress = must((value) => isIP(value) !== 0, 'must be an IP address');
export const isIpv4Address = must(isIPv4, 'must be an IPv4 address');
export const isIpv6Address = must(isIPv6, 'must be an IPv6 address');

const isPrefixed = (value: string, isFamily: (address: string) => boolean, bits: number): boolean => {
  const [address = '', prefix = '', ...more] = value.split('/');
  return more.length === 0 && isFamily(address) && inBounds(prefix, 0, bits);
};

/** CIDR notation; bits of a host may be set. */
export const isIpv4Subnet = must(
  (value) => isPrefixed(value, isIPv4, 32),
  'must be an IPv4 subnet such as 10.0.0.0/24',
);
export const isIpv6Subnet = must((value) => isPrefixed(value, isIPv6, 128), 'must be an IPv6 subnet such as fd00::/64');
export const isSubnet = must(
  (value) => isPrefixed(value, isIPv4, 32) || isPrefixed(value, isIPv6, 128),
  'must be a subnet such as 10.0.0.0/24',
);

export const isHwaddr = must(
  (value) => /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(value),
  'must be a MAC address: six bytes in hexadecimal, with colons',
);

/**
 * A name the kernel takes for an interface (IFNAMSIZ is 16 with the end), in the characters LXD permits.
 * `all` and `default` are taken: they are the folders of every interface's settings in /proc/sys/net/ipv4/conf.
 */
export const isInterfaceName = must(
  (value) => /^[A-Za-z0-9_.-]{2,15}$/.test(value) && !['..', 'all', 'default'].includes(value),
  'must be an interface name: 2 to 15 letters, digits, dots, dashes and underscores, but not "all" or "default"',
);

/** IEEE 802.1Q. */
export const isVlanId = must((value) => inBounds(value, 0, 4094), 'must be a VLAN ID between 0 and 4094');
export const isVlanRange = must((value) => isSpan(value, 0, 4094), 'must be a VLAN ID or range such as 10-20');

/** One number or an ascending range of user, group or CPU IDs. */
export const isIdRange = must(
  (value) => isSpan(value, 0, 0xffff_ffff),
  'must be a number or an ascending range such as 0-3',
);

export const isOctalMode = must((value) => /^[0-7]{3,4}$/.test(value), 'must be an octal file mode such as 0660');

export const isAbsolutePath = must(
  (value) => value.startsWith('/') && !value.includes('\0'),
  'must be an absolute path',
);

/** An address to listen on: `10.0.0.1`, `[::1]:8443`, `:8443`, a host name, each with or without a port. */
export const isListenAddress = must((value) => {
  if (isIPv6(value)) return true;
  const [, bracketed, host = '', port] = /^(?:\[([^\]]*)\]|([^:[\]\s/]*))(?::(.*))?$/.exec(value) ?? [];
  const isHost = bracketed === undefined ? host !== '' || port !== undefined : isIPv6(bracketed);
  // A host that looks like numbers and dots must be an address; others are names.
  const isName = /^[\d.]+$/.test(host) ? isIPv4(host) : /^[A-Za-z0-9_.-]*$/.test(host);
  return isHost && isName && (port === undefined || inBounds(port, 1, 65_535));
}, 'must be an address to listen on, such as :8443, 10.0.0.1 or [::]:8443');

/** An absolute http or https URL. */
export const isHttpUrl = must(
  (value) => /^https?:\/\//.test(value) && URL.canParse(value),
  'must be a URL that begins with https:// or http://',
);

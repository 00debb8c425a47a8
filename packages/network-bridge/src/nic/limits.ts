/**
 * Rate limits of a NIC. Traffic is shaped by a token bucket (tc-tbf(8)): what goes to the instance on the host's end of the
 * pair, what comes from it on an intermediate device (ifb), to which it takes a detour, since only leaving traffic can wait.
 */
import { badRequest, type Config } from '@lxd-ts/driver-kit';
import { applyIp, deleteLink, freeLinkName, type Link, listLinks, run, setLink } from '@lxd-ts/host';
import type { NicIdentity } from './identity.ts';

const thousand = ['bit', 'kbit', 'Mbit', 'Gbit', 'Tbit', 'Pbit', 'Ebit'];
const binary = ['bit', 'Kibit', 'Mibit', 'Gibit', 'Tibit', 'Pibit', 'Eibit'];

/**
 * Reads a rate such as `100Mbit` (spec 03.367).
 *
 * @returns bits per second
 * @throws LxdError bad-request, a fragment for a configuration check
 */
export const parseBitRate = (text: string): bigint => {
  const [, digits, unit = ''] = /^([0-9]+)([A-Za-z]*)$/.exec(text) ?? [];
  const power = unit === '' ? 0 : Math.max(thousand.indexOf(unit), binary.indexOf(unit));
  if (digits === undefined || power < 0) {
    throw badRequest(
      `must be a number of bits per second, with one of the units ${thousand.join(', ')}, ${binary.slice(1).join(', ')}`,
    );
  }
  return BigInt(digits) * (binary.includes(unit) ? 1024n : 1000n) ** BigInt(power);
};

export interface Limits {
  /** Bits per second to the instance; unset: no limit. */
  readonly ingress: bigint | undefined;
  /** Bits per second from the instance. */
  readonly egress: bigint | undefined;
}

export const readLimits = (config: Config): Limits => {
  const limit = (key: string): bigint | undefined => {
    const value = config['limits.max'] || config[key];
    return value ? parseBitRate(value) : undefined;
  };
  return { ingress: limit('limits.ingress'), egress: limit('limits.egress') };
};

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** A token bucket of ten milliseconds' worth, with room for the largest frame, and a queue of fifty milliseconds. */
const bucket = (link: string, rate: bigint): string =>
  `qdisc replace dev ${link} root tbf rate ${max(rate, 8n)}bit burst ${max(rate / 800n, 32_768n)} latency 50ms`;

/** The intermediate device of a NIC, if it has one. */
export const detourOf = ({ detour }: NicIdentity): Link | undefined =>
  listLinks().find(({ alias }) => alias === detour);

const makeDetour = async ({ detour: alias }: NicIdentity): Promise<string> => {
  const name = freeLinkName('ifb');
  await applyIp([['link', 'add', 'name', name, 'type', 'ifb'], ...setLink(name, { alias, up: true })]);
  return name;
};

const none: Limits = { ingress: undefined, egress: undefined };

/**
 * Puts limits in force on the host's end of a pair.
 *
 * @param before - those in force now; a changed rate takes effect without a gap
 */
export const applyLimits = async (
  identity: NicIdentity,
  link: string,
  { ingress, egress }: Limits,
  before: Limits = none,
): Promise<void> => {
  const lines: string[] = [];
  if (ingress !== undefined) lines.push(bucket(link, ingress));
  else if (before.ingress !== undefined) lines.push(`qdisc del dev ${link} root`);
  const present = detourOf(identity)?.name;
  if (egress !== undefined) {
    const detour = present ?? (await makeDetour(identity));
    lines.push(
      bucket(detour, egress),
      `qdisc replace dev ${link} handle ffff: ingress`,
      `filter replace dev ${link} parent ffff: protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev ${detour}`,
    );
  } else if (before.egress !== undefined) lines.push(`qdisc del dev ${link} ingress`);
  if (lines.length > 0) {
    await run(['tc', '-batch', '-'], { input: `${lines.join('\n')}\n`, debianPackage: 'iproute2' });
  }
  if (egress === undefined && present !== undefined) await applyIp(deleteLink(present));
};

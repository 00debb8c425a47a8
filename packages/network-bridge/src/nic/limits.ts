/**
 * Rate limits of a NIC. What goes to the instance is shaped: it waits in a token bucket on the host's end of the pair
 * (tc-tbf(8)). What comes from it can only be dropped when it is too much; that is a rule of the NIC's filter.
 */
import { badRequest, type Config } from '@lxd-ts/driver-kit';
import { run } from '@lxd-ts/host';

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

/** Shapes what leaves `link` towards the instance, or stops shaping it. Also changes a limit in force, without a gap. */
export const shapeIngress = async (link: string, rate: bigint | undefined, before?: bigint): Promise<void> => {
  if (rate === before) return;
  // Ten milliseconds' worth, and room for the largest frame.
  const burst = max(rate === undefined ? 0n : rate / 800n, 32_768n);
  const change =
    rate === undefined
      ? ['del', 'dev', link, 'root']
      : ['replace', 'dev', link, 'root', 'tbf', 'rate', `${max(rate, 8n)}bit`, 'burst', `${burst}`, 'latency', '50ms'];
  await run(['tc', 'qdisc', ...change], { debianPackage: 'iproute2' });
};

/** The rule that drops what exceeds a rate, for the head of the NIC's filter. */
export const egressRule = (rate: bigint): string => {
  const bytes = max(rate / 8n, 1n);
  // An eighth of a second's worth: less starves TCP, which sends in bursts.
  return `limit rate over ${bytes} bytes/second burst ${max(bytes / 8n, 65_536n)} bytes drop`;
};

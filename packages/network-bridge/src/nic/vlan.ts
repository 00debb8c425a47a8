/** Which VLANs a port of the bridge takes part in (bridge(8), bridge vlan). */
import { badRequest, type Config, notImplemented } from '@lxd-ts/driver-kit';
import { readLinkValue, run } from '@lxd-ts/host';
import { listItems } from '../addresses.ts';

/** VLANs 0 and 4095 have other meanings (IEEE 802.1Q). */
const isVlan = (id: number): boolean => id >= 1 && id <= 4094;

/** Reads `10` or `20-29`. @throws LxdError bad-request, a fragment for a configuration check */
export const parseVlans = (text: string): { first: number; last: number } => {
  const [, first, last = first] = /^([0-9]{1,4})(?:-([0-9]{1,4}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (!isVlan(range.first) || !isVlan(range.last) || range.first > range.last) {
    throw badRequest('must be a VLAN from 1 to 4094 or a range FIRST-LAST of them');
  }
  return range;
};

export const usesVlans = (config: Config): boolean => Boolean(config.vlan || config['vlan.tagged']);

/**
 * The lines for `bridge -batch` that give a new port its VLANs.
 *
 * @param defaultVlan - the one new ports of the bridge belong to
 */
const vlanLines = (port: string, config: Config, defaultVlan: string): string[] => [
  ...(config.vlan ? [`vlan del dev ${port} vid ${defaultVlan}`] : []),
  ...(config.vlan && config.vlan !== 'none' ? [`vlan add dev ${port} vid ${config.vlan} pvid untagged`] : []),
  ...listItems(config['vlan.tagged']).map((item) => {
    const { first, last } = parseVlans(item);
    return `vlan add dev ${port} vid ${first === last ? first : `${first}-${last}`}`;
  }),
];

/**
 * Gives a port that was just joined to a bridge its VLANs.
 *
 * @throws LxdError not-implemented when this kernel's bridges know no VLANs, bad-request when the bridge does not filter them
 */
export const applyVlans = async (bridge: string, port: string, config: Config): Promise<void> => {
  if (!usesVlans(config)) return;
  const filtering = readLinkValue(bridge, 'bridge/vlan_filtering');
  if (filtering === undefined) {
    throw notImplemented(
      `VLANs need a Linux bridge and a kernel built with CONFIG_BRIDGE_VLAN_FILTERING ("${bridge}")`,
    );
  }
  if (filtering !== '1') {
    throw badRequest(
      `The bridge "${bridge}" does not filter VLANs: turn it on with ip link set ${bridge} type bridge vlan_filtering 1`,
    );
  }
  const defaultVlan = readLinkValue(bridge, 'bridge/default_pvid') ?? '1';
  const lines = vlanLines(port, config, defaultVlan);
  await run(['bridge', '-batch', '-'], { input: `${lines.join('\n')}\n`, debianPackage: 'iproute2' });
};
